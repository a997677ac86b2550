"""Which companies a page or an answer shows: filtered, worst first, in pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.health.summary import CompanyHealth
from ledgerguard_pipeline.values import RealmId

PAGE_SIZE = 20
LARGEST_PAGE = 500
_LONGEST_TEXT = 100
_LAST_PAGE = 1_000_000

WORST_FIRST = tuple(reversed(HealthState))


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """What was asked for. ``text`` is looked for in names and company ids."""

    state: HealthState | None = None
    text: str = ""
    page: int = 1
    size: int = PAGE_SIZE

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListingQuery:
        """Read it from query parameters; absent or empty ones do not count.

        Raises:
            BadInputError: a parameter is none of its values.
        """
        states = [each.value for each in HealthState]
        state = params.get("state", "")
        if state and state not in states:
            raise BadInputError(f"The parameter state must be one of {', '.join(states)}.")
        return cls(
            HealthState(state) if state else None,
            params.get("q", "").strip()[:_LONGEST_TEXT],
            _whole(params, "page", 1, _LAST_PAGE),
            _whole(params, "size", PAGE_SIZE, LARGEST_PAGE),
        )

    def address(self, **changes: object) -> str:
        """The query string of this query with changes, without what is as usual."""
        asked: dict[str, object] = {
            "state": self.state.value if self.state else "",
            "q": self.text,
            "page": self.page,
            "size": self.size,
            **changes,
        }
        usual = {"state": "", "q": "", "page": 1, "size": PAGE_SIZE}
        shown = {name: value for name, value in asked.items() if value != usual[name]}
        return f"?{urlencode(shown)}" if shown else "?"


@dataclass(frozen=True, slots=True)
class Listing:
    """The page to show; ``counts`` are of all that match the text, whatever their state."""

    query: ListingQuery
    shown: Sequence[CompanyHealth]
    matching: int
    counts: Mapping[HealthState, int]

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.matching // self.query.size))

    @property
    def realms(self) -> list[RealmId]:
        """The companies shown, in order."""
        return [each.company.realm_id for each in self.shown]

    @property
    def first(self) -> int:
        """The place of the first one shown, counted from one."""
        return (self.query.page - 1) * self.query.size + 1


def listing(summaries: Sequence[CompanyHealth], query: ListingQuery) -> Listing:
    """Pick what was asked for: worst first, then by name."""
    needle = query.text.casefold()
    named = [
        each
        for each in summaries
        if needle in each.company.name.casefold() or needle in each.company.realm_id
    ]
    matching = [each for each in named if query.state in (None, each.health.state)]
    matching.sort(key=_order)
    start = (query.page - 1) * query.size
    return Listing(
        query,
        matching[start : start + query.size],
        len(matching),
        Counter(each.health.state for each in named),
    )


def in_order(statuses: Sequence[CompanyStatus], realms: Sequence[RealmId]) -> list[CompanyStatus]:
    """These companies as they were picked."""
    by_realm = {each.company.realm_id: each for each in statuses}
    return [by_realm[realm] for realm in realms if realm in by_realm]


def _order(summary: CompanyHealth) -> tuple[int, str, str]:
    company = summary.company
    return WORST_FIRST.index(summary.health.state), company.name.casefold(), company.realm_id


def _whole(params: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = params.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= most):
        raise BadInputError(f"The parameter {name} must be a number from 1 to {most}.")
    return int(text)
