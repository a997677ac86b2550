"""``silver.journal``: the legs of every transaction, replaced span by span in one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeGuard

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import View, Workspace
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.reports.journal import JournalTransaction
from ledgerguard_pipeline.silver import tables as silver_tables
from ledgerguard_pipeline.silver.books_tables import JOURNAL
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.tieout.labels import ENTITY_OF
from ledgerguard_pipeline.values import RealmId

WHOLE_DIGITS, DECIMALS = 20, 18
"""What a column of the journal holds before and after the point."""


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """The transactions of one answer, and the answer's id in Bronze and window."""

    report_id: str
    start: date
    end: date
    transactions: Sequence[JournalTransaction]


@dataclass(frozen=True, slots=True)
class LoadedWindow:
    """A span of days that the journal holds, and up to where Bronze was when it was read."""

    start: date
    end: date
    bronze_at: datetime | None
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class AccountSum:
    """What the journal moved an account by."""

    account_id: str
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Unbalanced:
    """A transaction whose debits and credits differ."""

    type: str
    id: str
    number: str
    debit: Decimal
    credit: Decimal
    posted_on: date
    report_id: str


LegSums = dict[tuple[str, str], dict[str, Decimal]]
"""Amounts by account, by type and id of the transaction."""


class JournalStore:
    """The journal of every company of a store."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def replace(
        self,
        realm: RealmId | str,
        start: date,
        end: date,
        parts: Sequence[LoadedPart],
        bronze_at: datetime | None,
    ) -> int:
        """Put these transactions in place of all of that span of days, in one transaction.

        Returns:
            How many legs the span has now.

        Raises:
            BronzeError: an amount has more digits than a column holds, or nothing could be kept.
        """
        rows = _arrow(str(realm), parts)
        now = self._workspace.clock.now()
        ids = json.dumps([part.report_id for part in parts])
        count = len({(each.type, each.id) for part in parts for each in part.transactions})

        def work(session: OpenStore) -> int:
            connection, catalog = session.connection, session.catalog
            for statement in tables.create(catalog):
                connection.execute(statement)
            connection.execute(tables.forget_window(catalog), [str(realm), start, end])
            connection.register("incoming", rows)
            connection.execute(tables.insert_journal(catalog))
            connection.unregister("incoming")
            windows = tables.at(catalog, "_journal_windows")
            connection.execute(
                f"DELETE FROM {windows} WHERE realm_id = ? AND window_start >= ? "
                "AND window_end <= ?",
                [str(realm), start, end],
            )
            connection.execute(
                f"INSERT INTO {windows} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [str(realm), start, end, ids, count, rows.num_rows, bronze_at, now],
            )
            return int(rows.num_rows)

        return self._workspace.write(realm, work)

    def level_with(self, realm: RealmId | str, bronze_at: datetime | None) -> None:
        """Note that every span is as Bronze was then: what changed later is still to be read."""

        def work(session: OpenStore) -> bool:
            session.connection.execute(
                f"UPDATE {tables.at(session.catalog, '_journal_windows')} SET bronze_at = ? "
                "WHERE realm_id = ?",
                [bronze_at, str(realm)],
            )
            return True

        self._workspace.write(realm, work)

    def windows(self, realm: RealmId | str) -> list[LoadedWindow]:
        """The spans that were loaded, oldest first."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return []
            rows = view.connection.execute(tables.READ_WINDOWS, [str(realm)]).fetchall()
        return [LoadedWindow(*row) for row in rows]

    def sums(self, realm: RealmId | str, end: date, start: date | None = None) -> list[AccountSum]:
        """What every account was moved by, up to a day, from the beginning or from a day on."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return []
            values = {"realm": str(realm), "end": end, "start": start}
            rows = view.connection.execute(tables.SUMS, values).fetchall()
        return [AccountSum(*row) for row in rows]

    def legs(self, realm: RealmId | str, start: date, end: date) -> LegSums:
        """The transactions of a span of days, added up by account."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return {}
            rows = view.connection.execute(tables.TRANSACTIONS, [str(realm), start, end]).fetchall()
        found: LegSums = {}
        for type_, id, _number, account, _name, amount in rows:
            found.setdefault((type_, id), {})[account] = amount
        return found

    def unbalanced(self, realm: RealmId | str) -> list[Unbalanced]:
        """Transactions whose debits and credits differ; there are none in sound books."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return []
            rows = view.connection.execute(tables.UNBALANCED, [str(realm)]).fetchall()
        return [Unbalanced(*row) for row in rows]

    def months(
        self, realm: RealmId | str, start: date, end: date
    ) -> dict[tuple[date, str], Decimal]:
        """What every account was moved by, by the month's first day and the account."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return {}
            rows = view.connection.execute(tables.MONTHS, [str(realm), start, end]).fetchall()
        return {(month, account): amount for month, account, amount in rows}

    def after(
        self, realm: RealmId | str, accounts: Collection[str], day: date
    ) -> list[tuple[str, date, Decimal]]:
        """By how much these accounts were moved on each day after one: account, day, amount."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return []
            values = [str(realm), day, list(accounts)]
            return view.connection.execute(tables.AFTER, values).fetchall()

    def labels(self, realm: RealmId | str) -> list[str]:
        """Types of transactions that no entity type is known for, as Intuit's report names them."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return []
            rows = view.connection.execute(tables.LABELS, [str(realm)]).fetchall()
        return [str(row[0]) for row in rows]

    def count(self, realm: RealmId | str) -> tuple[int, int]:
        """Legs and transactions."""
        with self._workspace.read() as view:
            if not _laid_out(view):
                return 0, 0
            row = view.connection.execute(tables.COUNT, [str(realm)]).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _laid_out(view: View | None) -> TypeGuard[View]:
    # Silver's views have a journal before anything was loaded into it.
    return view is not None and has_table(view, "_journal_windows")


def has_table(view: View, name: str) -> bool:
    """Whether a table of the journal is there."""
    return silver_tables.has_table(view.connection, tables.at(view.catalog, name))


def _arrow(realm: str, parts: Sequence[LoadedPart]) -> Any:
    """The legs as an Arrow table; Arrow refuses what a column cannot hold to the last digit."""
    import pyarrow as pa

    rows: dict[str, list[object]] = {name: [] for name in JOURNAL.types}
    for part in parts:
        for each in part.transactions:
            day = date.fromisoformat(each.date) if each.date else None
            posted = min(max(day or part.end, part.start), part.end)
            for number, leg in enumerate(each.legs):
                values = (
                    realm,
                    each.type,
                    ENTITY_OF.get(each.type),
                    each.id,
                    day,
                    posted,
                    each.number,
                    leg.name_id or each.name_id,
                    number,
                    leg.account_id,
                    leg.account_name,
                    leg.memo,
                    leg.debit,
                    leg.credit,
                    leg.amount,
                    part.report_id,
                )
                for column, value in zip(rows.values(), values, strict=True):
                    column.append(value)
    money = pa.decimal128(WHOLE_DIGITS + DECIMALS, DECIMALS)
    kinds = {"DATE": pa.date32(), "BIGINT": pa.int64(), "VARCHAR": pa.string()}
    fields = [pa.field(name, kinds.get(kind, money)) for name, kind in JOURNAL.types.items()]
    try:
        return pa.table(rows, schema=pa.schema(fields))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BronzeError(
            f"An amount of a JournalReport has more than {WHOLE_DIGITS} digits before or "
            f"{DECIMALS} after the point ({error}); the journal was left as it is.",
            realm_id=realm,
        ) from None
