"""Differences: what is ours, what is theirs, and why; kept one row each, with when first seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.values import RealmId


class Level(StrEnum):
    """What was compared."""

    BALANCED = "L0a"
    """Debits and credits of every transaction."""
    TRIAL_BALANCE = "L3"
    """The journal with Intuit's TrialBalance, account by account."""


class DifferenceClass(StrEnum):
    """Why there is a difference; a class is never a tolerance."""

    UNEXPLAINED = "unexplained"
    REVALUATION = "revaluation"
    """An account in another currency, which Intuit values at the report's rate without booking it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One account or transaction that does not agree; ``key`` is its id."""

    level: Level
    period_end: date
    key: str
    name: str
    ours: Decimal
    theirs: Decimal
    explanation: str = ""
    kind: DifferenceClass = DifferenceClass.UNEXPLAINED
    report_id: str = ""
    first_seen: datetime | None = None

    @property
    def difference(self) -> Decimal:
        """Ours less theirs."""
        return exact_sum((self.ours, self.theirs.copy_negate()))

    @property
    def message(self) -> str:
        """One line for people, to the last digit."""
        if self.level is Level.BALANCED:
            return (
                f"{self.name} (id {self.key}), {self.period_end}: debits {money(self.ours)} and "
                f"credits {money(self.theirs)} differ by {money(self.difference.copy_abs())}."
            )
        tail = f" {self.explanation}" if self.explanation else ""
        return (
            f"Account {self.key} {self.name}, {self.period_end}: journal {money(self.ours)}, "
            f"QuickBooks {money(self.theirs)}, difference {money(self.difference.copy_abs())}.{tail}"
        )


def money(value: Decimal) -> str:
    """At least two decimals, and all there are."""
    whole, _, decimals = format(value, "f").partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


class TieOut:
    """``silver.tie_out`` of every company of a store."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def keep(
        self,
        realm: RealmId | str,
        level: Level,
        period_end: date | None,
        found: Sequence[Difference],
    ) -> list[Difference]:
        """Put these in place of what was known of a level (of one period, or all of them).

        A difference that was known keeps when it was first seen, on whichever day it was compared.
        """
        now = self._workspace.clock.now()

        def work(session: OpenStore) -> list[Difference]:
            connection, catalog = session.connection, session.catalog
            for statement in tables.create(catalog):
                connection.execute(statement)
            table = tables.at(catalog, "tie_out")
            where = "realm_id = ? AND level = ? AND (? IS NULL OR period_end = ?)"
            values = [str(realm), level.value, period_end, period_end]
            rows = connection.execute(
                f"SELECT key, min(first_seen) FROM {table} WHERE realm_id = ? AND level = ? "
                "GROUP BY key",
                [str(realm), level.value],
            ).fetchall()
            known = dict(rows)
            connection.execute(f"DELETE FROM {table} WHERE {where}", values)
            kept = []
            for each in found:
                first = known.get(each.key, now)
                connection.execute(
                    f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        str(realm),
                        level.value,
                        each.period_end,
                        each.key,
                        each.name,
                        each.ours,
                        each.theirs,
                        each.difference,
                        each.kind.value,
                        each.explanation,
                        first,
                        now,
                        each.report_id,
                    ],
                )
                kept.append(_seen(each, first))
            return kept

        return self._workspace.write(realm, work)

    def forget(self, realm: RealmId | str, level: Level, ends: Sequence[date]) -> None:
        """Drop what was known of a level on these days: others took their place."""

        def work(session: OpenStore) -> bool:
            session.connection.execute(
                f"DELETE FROM {tables.at(session.catalog, 'tie_out')} "
                "WHERE realm_id = ? AND level = ? AND list_contains(?, period_end)",
                [str(realm), level.value, list(ends)],
            )
            return True

        if ends:
            self._workspace.write(realm, work)

    def read(self, realm: RealmId | str) -> list[Difference]:
        """What is known to differ in a company, oldest period first."""
        return [each for _, each in self._read(str(realm))]

    def read_all(self) -> list[tuple[str, Difference]]:
        """What is known to differ in every company, with its realm."""
        return self._read(None)

    def _read(self, realm: str | None) -> list[tuple[str, Difference]]:
        with self._workspace.read() as view:
            if view is None or not has_table(view, "tie_out"):
                return []
            rows = view.connection.execute(tables.READ_TIE_OUT, {"realm": realm}).fetchall()
        return [
            (
                of,
                Difference(
                    Level(level),
                    period_end,
                    key,
                    name,
                    ours,
                    theirs,
                    explanation,
                    DifferenceClass(kind),
                    first_seen=first_seen,
                ),
            )
            for of, level, period_end, key, name, ours, theirs, kind, explanation, first_seen in rows
        ]


def _seen(each: Difference, first: datetime) -> Difference:
    return Difference(
        each.level,
        each.period_end,
        each.key,
        each.name,
        each.ours,
        each.theirs,
        each.explanation,
        each.kind,
        each.report_id,
        first,
    )
