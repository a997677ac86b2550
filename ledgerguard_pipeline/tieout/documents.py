"""What Bronze says about when documents happened: the days that changed, and the whole span."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from ledgerguard_pipeline.bronze.statements import current, quoted
from ledgerguard_pipeline.bronze.workspace import View, Workspace
from ledgerguard_pipeline.entities import ENTITIES, Kind, entity_type
from ledgerguard_pipeline.values import RealmId

_DAY = r"TRY_CAST(regexp_extract(payload, '\"TxnDate\"\s*:\s*\"([0-9]{4}-[0-9]{2}-[0-9]{2})', 1) AS DATE)"
"""The first TxnDate of a record, which is its own; no parser may fail on the rest of it."""


_WITH_TOTALS = ("Invoice", "SalesReceipt", "Bill", "Purchase", "BillPayment", "Deposit")
_TOTAL = r"\"TotalAmt\"\s*:\s*-?[0.]*[1-9]"
"""A total that is not zero."""


def changed_days(workspace: Workspace, realm: RealmId | str, since: datetime | None) -> set[date]:
    """The days that documents with a version newer than ``since`` are dated, or ever were."""
    found: set[date] = set()
    with workspace.read() as view:
        if view is None:
            return found
        for table in _tables(view):
            rows = view.connection.execute(
                f"SELECT DISTINCT {_DAY} FROM {quoted(table)} WHERE realm_id = $realm "
                f"AND id IN (SELECT id FROM {quoted(table)} WHERE realm_id = $realm "
                "AND ($since IS NULL OR loaded_at > $since)) AND payload IS NOT NULL",
                {"realm": str(realm), "since": since},
            ).fetchall()
            found |= {row[0] for row in rows if row[0] is not None}
    return found


def first_and_last_day(
    workspace: Workspace, realm: RealmId | str
) -> tuple[date | None, date | None]:
    """The first and the last day that a document of Bronze is dated, or ever was; None without any."""
    days: list[date] = []
    with workspace.read() as view:
        if view is None:
            return None, None
        for table in _tables(view):
            row = view.connection.execute(
                f"SELECT min(day), max(day) FROM (SELECT {_DAY} AS day FROM {quoted(table)} "
                "WHERE realm_id = ? AND payload IS NOT NULL)",
                [str(realm)],
            ).fetchone()
            days += [day for day in row or () if day is not None]
    return (min(days), max(days)) if days else (None, None)


def days_after(workspace: Workspace, realm: RealmId | str, day: date) -> set[date]:
    """The days after one that living documents of Bronze are dated."""
    found: set[date] = set()
    with workspace.read() as view:
        if view is None:
            return found
        for table in _tables(view):
            rows = view.connection.execute(
                f"SELECT DISTINCT {_DAY} FROM ({current(table, realm=True)}) WHERE {_DAY} > $day",
                {"realm": str(realm), "day": day},
            ).fetchall()
            found |= {row[0] for row in rows}
    return found


def books_between(workspace: Workspace, realm: RealmId | str, start: date, end: date) -> bool:
    """Whether Bronze has a living document with an amount that has to stand in a journal then."""
    with workspace.read() as view:
        if view is None:
            return False
        for entity in _WITH_TOTALS:
            table = entity_type(entity).table
            if not view.has(table):
                continue
            row = view.connection.execute(
                f"SELECT count(*) FROM ({current(table, realm=True)}) WHERE payload IS NOT NULL "
                f"AND state = 'active' AND {_DAY} BETWEEN $start AND $end "
                f"AND regexp_matches(payload, '{_TOTAL}')",
                {"realm": str(realm), "start": start, "end": end},
            ).fetchone()
            if row is not None and row[0]:
                return True
    return False


def _tables(view: View) -> Iterator[str]:
    for entity in ENTITIES:
        if entity.kind is Kind.TRANSACTION and view.has(entity.table):
            yield entity.table
