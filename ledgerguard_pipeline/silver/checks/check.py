"""The checks, which entity types they are for, and what one finds."""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.silver.checks.sums import adds_up
from ledgerguard_pipeline.silver.layout import tables_of

SHOWN = 5
"""Cases that a failed check names."""
OPEN_AMOUNTS = ("balance", "remaining_credit", "unapplied_amt")
"""What of a document is open or not used yet."""


@dataclass(frozen=True, slots=True)
class SilverCheck:
    """One statement about the tables; ``severe`` ones are never true of sound books."""

    name: str
    description: str
    severe: bool


@dataclass(frozen=True, slots=True)
class SilverFinding:
    """What a check found: nothing wrong, or how many cases and the first of them."""

    check: SilverCheck
    cases: int = 0
    first: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return not self.cases

    @property
    def text(self) -> str:
        """What is wrong, in a line; empty if nothing is."""
        if self.passed:
            return ""
        more = (
            f"; and {self.cases - len(self.first):,} more" if self.cases > len(self.first) else ""
        )
        return f"{'; '.join(self.first)}{more}"


LEVEL = SilverCheck(
    "level_with_bronze", "Every living object of Bronze is there, and nothing else.", True
)
UNIQUE = SilverCheck("keys_are_unique", "No key stands twice in any of its tables.", True)
READABLE = SilverCheck("every_value_is_readable", "No value stands in silver._misfits.", False)
RESOLVED = SilverCheck("references_resolve", "What is referred to is there.", False)
NARROW = SilverCheck("narrow_views_lose_nothing", "Amounts fit the narrow views.", False)
KNOWN = SilverCheck("every_field_is_known", "Bronze saw no field that the registry lacks.", False)
ADDS_UP = SilverCheck("lines_add_up", "Sub-totals and totals are the sums of their lines.", False)
OPEN = SilverCheck("balance_within_total", "No balance is larger than its total.", False)


def checks_of(entity: EntityType) -> tuple[SilverCheck, ...]:
    """The checks that make sense for an entity type."""
    columns = {column.name for column in tables_of(entity).header.columns}
    found = [LEVEL, UNIQUE, READABLE, RESOLVED, NARROW, KNOWN]
    if adds_up(entity):
        found.append(ADDS_UP)
    if "total_amt" in columns and columns.intersection(OPEN_AMOUNTS):
        found.append(OPEN)
    return tuple(found)
