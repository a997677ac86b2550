"""Differences: what is ours, what is theirs, and why; kept one row each, with when first seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.values import RealmId


class Level(StrEnum):
    """What was compared."""

    BALANCED = "L0a"
    """Debits and credits of every transaction."""
    DERIVED = "L0b"
    """Debits and credits of every document by the posting rules."""
    LISTED = "L1"
    """Documents with Intuit's TransactionList."""
    POSTINGS = "L2"
    """What documents post with the journal, by transaction and account."""
    TRIAL_BALANCE = "L3"
    """The journal with Intuit's TrialBalance, account by account."""
    STATEMENTS = "L3b"
    """The journal with Intuit's ProfitAndLoss by month and BalanceSheet, account by account."""
    OPEN_ITEMS = "L4"
    """What documents leave open with Intuit's reports of aging, by customer and vendor."""
    ACCOUNT_BALANCES = "L5"
    """The journal with the balances that the rows of accounts in Bronze show."""


_TRANSACTIONS = {
    Level.BALANCED: ("debits", "credits"),
    Level.DERIVED: ("debits by the posting rules", "credits"),
}
_OURS = {
    Level.LISTED: "Bronze",
    Level.POSTINGS: "documents",
    Level.TRIAL_BALANCE: "journal",
    Level.STATEMENTS: "journal",
    Level.OPEN_ITEMS: "documents",
    Level.ACCOUNT_BALANCES: "journal",
}
_ON_ACCOUNTS = frozenset({Level.TRIAL_BALANCE, Level.ACCOUNT_BALANCES})


GUESSED = "One of its legs rests on a guess."
ROUNDED = "Cents that rounding left; no source says on which account QuickBooks books them."


class DifferenceClass(StrEnum):
    """Why there is a difference; a class is never a tolerance."""

    UNEXPLAINED = "unexplained"
    PAYROLL = "payroll"
    """Pay and its taxes, which no entity of the API holds."""
    TAX_PAYMENT = "tax_payment"
    """Payments, returns and corrections of taxes, which no entity of the API holds with accounts."""
    INVENTORY_VALUE = "inventory_value"
    """What stock is worth and what sold goods had cost; documents say quantities only."""
    COST_PENDING = "cost_pending"
    """Costs of goods of a document younger than a day, which Intuit books later."""
    STATEMENT_CHARGE = "statement_charge"
    """Charges and credits on statements, which no entity of the API holds."""
    REVALUATION = "revaluation"
    """An account in another currency, which Intuit values at the report's rate without booking it."""
    LEARNED_TAX_MISSING = "learned_tax_missing"
    """The tax of a rate whose account the journal has not shown unmistakably yet."""
    MISFIT_NUMBER = "misfit_number"
    """A document with a number that no column of Silver holds; it is in `silver._misfits`."""
    SNAPSHOT_MOVED = "snapshot_moved"
    """A document that changed each time it was compared, or after the last sync."""

    @property
    def lasting(self) -> bool:
        """Whether comparing again finds it again, because no document can ever explain it."""
        return self in _LASTING


_LASTING = frozenset(
    {DifferenceClass.PAYROLL, DifferenceClass.TAX_PAYMENT, DifferenceClass.INVENTORY_VALUE}
    | {DifferenceClass.STATEMENT_CHARGE}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One account, transaction or party that does not agree.

    ``key`` is the id of an account; of a document it is ``Invoice/72`` (of a transaction of the
    journal its type as reports name it), of one on an account ``Invoice/72/90``, of a party
    ``Customer/12``.
    """

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
    def warning(self) -> str:
        """Why it is a warning and no proof, in a word; empty where it is none.

        A document does not balance by rules that are a guess; cents that rounding left in another
        currency stand on another account; or the row of an account says another balance than the
        ledger, which is compared by itself.
        """
        if self.kind is not DifferenceClass.UNEXPLAINED:
            return ""
        if self.level is Level.ACCOUNT_BALANCES:
            return "old_balance"
        if self.explanation == ROUNDED:
            return "rounding"
        return "guess" if self.level is Level.DERIVED and self.explanation == GUESSED else ""

    @property
    def breaks(self) -> bool:
        """Whether books with it do not tie out."""
        return self.kind is DifferenceClass.UNEXPLAINED and not self.warning

    @property
    def difference(self) -> Decimal:
        """Ours less theirs."""
        return exact_sum((self.ours, self.theirs.copy_negate()))

    @property
    def message(self) -> str:
        """One line for people, to the last digit."""
        if self.level in _TRANSACTIONS:
            left, right = _TRANSACTIONS[self.level]
            return (
                f"{self.name} (id {self.key.rpartition('/')[2]}), {self.period_end}: {left} "
                f"{money(self.ours)} and {right} {money(self.theirs)} differ by "
                f"{money(self.difference.copy_abs())}."
            )
        subject = self.name
        if self.level in _ON_ACCOUNTS:
            subject = f"Account {self.key} {self.name}" if self.key else f"No account, {self.name}"
        theirs = "its row" if self.level is Level.ACCOUNT_BALANCES else "QuickBooks"
        tail = f" {self.explanation}" if self.explanation else ""
        return (
            f"{subject}, {self.period_end}: {_OURS[self.level]} {money(self.ours)}, "
            f"{theirs} {money(self.theirs)}, difference {money(self.difference.copy_abs())}.{tail}"
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
        *,
        start: date | None = None,
    ) -> list[Difference]:
        """Put these in place of what was known of a level (of one period, or all of them).

        With ``start`` the period is all days from there to ``period_end``.

        A difference that was known keeps when it was first seen, on whichever day it was compared.

        Raises:
            BronzeError: an amount has more digits than a column holds, or nothing could be kept.
        """
        now = self._workspace.clock.now()

        def work(session: OpenStore) -> list[Difference]:
            connection, catalog = session.connection, session.catalog
            for statement in tables.create(catalog):
                connection.execute(statement)
            table = tables.at(catalog, "tie_out")
            where = "realm_id = ? AND level = ? AND (? IS NULL OR period_end BETWEEN ? AND ?)"
            values = [str(realm), level.value, period_end, start or period_end, period_end]
            rows = connection.execute(
                f"SELECT key, min(first_seen) FROM {table} WHERE realm_id = ? AND level = ? "
                "GROUP BY key",
                [str(realm), level.value],
            ).fetchall()
            known = dict(rows)
            kept = [_seen(each, known.get(each.key, now)) for each in found]
            incoming = _arrow(str(realm), kept, now)
            connection.execute(f"DELETE FROM {table} WHERE {where}", values)
            if kept:
                connection.register("incoming", incoming)
                connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
                connection.unregister("incoming")
            return kept

        return self._workspace.write(realm, work)

    def explain(
        self,
        realm: RealmId | str,
        found: Sequence[Difference],
        kind: DifferenceClass,
        explanation: str,
    ) -> None:
        """Give these differences, which are known, a class and its reason."""
        keys = [f"{each.level.value} {each.key}" for each in found]

        def work(session: OpenStore) -> bool:
            session.connection.execute(
                f"UPDATE {tables.at(session.catalog, 'tie_out')} SET class = ?, explanation = ? "
                "WHERE realm_id = ? AND list_contains(?, level || ' ' || key)",
                [kind.value, explanation, str(realm), keys],
            )
            return True

        self._workspace.write(realm, work)

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


def _arrow(realm: str, found: Sequence[Difference], now: datetime) -> Any:
    """Differences as rows of ``silver.tie_out``; Arrow refuses what a column cannot hold exactly."""
    import pyarrow as pa

    amount, instant = pa.decimal128(38, 18), pa.timestamp("us", tz="UTC")
    columns: dict[str, tuple[Any, list[object]]] = {
        "realm_id": (pa.string(), [realm] * len(found)),
        "level": (pa.string(), [each.level.value for each in found]),
        "period_end": (pa.date32(), [each.period_end for each in found]),
        "key": (pa.string(), [each.key for each in found]),
        "name": (pa.string(), [each.name for each in found]),
        "ours": (amount, [each.ours for each in found]),
        "theirs": (amount, [each.theirs for each in found]),
        "difference": (amount, [each.difference for each in found]),
        "class": (pa.string(), [each.kind.value for each in found]),
        "explanation": (pa.string(), [each.explanation for each in found]),
        "first_seen": (instant, [each.first_seen for each in found]),
        "seen_at": (instant, [now] * len(found)),
        "report_id": (pa.string(), [each.report_id for each in found]),
    }
    try:
        return pa.table(
            {name: pa.array(values, type_) for name, (type_, values) in columns.items()}
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BronzeError(
            f"A difference has more than 20 digits before or 18 after the point ({error}); what was "
            "known stays as it was.",
            realm_id=realm,
        ) from None
