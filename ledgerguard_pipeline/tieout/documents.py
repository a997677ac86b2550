"""What Bronze says about when documents happened: the days that changed, and the whole span."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.bronze.workspace import View, Workspace
from ledgerguard_pipeline.entities import ENTITIES, Kind
from ledgerguard_pipeline.values import RealmId

_DAY = r"TRY_CAST(regexp_extract(payload, '\"TxnDate\"\s*:\s*\"([0-9]{4}-[0-9]{2}-[0-9]{2})', 1) AS DATE)"
"""The first TxnDate of a record, which is its own; no parser may fail on the rest of it."""


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
    """The first and the last day that a document of Bronze is dated; None without any."""
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


def _tables(view: View) -> Iterator[str]:
    for entity in ENTITIES:
        if entity.kind is Kind.TRANSACTION and view.has(entity.table):
            yield entity.table
