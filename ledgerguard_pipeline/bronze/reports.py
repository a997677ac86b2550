"""Reports in Bronze: written in one transaction with the store's own lock, read back by id."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import msgspec

from ledgerguard_pipeline.bronze import report_table as table
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.read.company_facts import CompanyFacts, read_facts
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.errors import BadInputError, BronzeError
from ledgerguard_pipeline.values import RealmId

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedReport:
    """One answer to be kept. ``params`` are the texts that were sent; ``cut`` says why it is not whole."""

    report: str
    params: dict[str, str]
    window_start: date | None
    window_end: date | None
    basis: str | None
    fetched_at: datetime
    report_time: str | None
    request_id: str | None
    payload: bytes
    cells: int
    cut: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A kept report without its payload. Times are UTC; ``params`` is JSON with sorted keys."""

    report_id: str
    realm_id: str
    report: str
    params: str
    window_start: date | None
    window_end: date | None
    basis: str | None
    fetched_at: datetime
    report_time: str | None
    request_id: str | None
    payload_sha256: str
    cells: int
    cut: bool
    cut_reason: str | None
    run_id: str | None
    loaded_at: datetime


class ReportStore:
    """The reports of every company of a store; opened per use, as everything of Bronze."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def save(self, realm: RealmId | str, fetched: Sequence[FetchedReport]) -> list[str]:
        """Keep these answers in one transaction, and prove that they are there; their ids.

        Of whole answers to the same question the newest few are kept (a lake drops the others
        when it is maintained), of cut ones all: they are evidence.

        Raises:
            BronzeBusy, BronzeUnavailable, BronzeError: nothing was kept.
        """
        if not fetched:
            return []
        ids = [uuid.uuid4().hex for _ in fetched]

        def work(session: OpenStore) -> list[str]:
            connection = session.connection
            rows = _rows(ids, str(realm), fetched, self._instant(connection, str(realm)))
            insert_rows(connection, table.NAME, tuple(table.COLUMNS), list(rows))
            if not session.lake:
                _forget(session, "realm_id = ?", [str(realm)])
            return ids

        def landed(session: OpenStore) -> list[str] | None:
            return ids if _count(session.connection, ids) else None

        self._workspace.write(realm, work, landed)
        self._verify(ids)
        return ids

    def company_facts(self, realm: RealmId | str) -> CompanyFacts:
        """What reading a company's reports takes; the usual where it was not loaded yet."""
        with self._workspace.read() as view:
            if view is None:
                return CompanyFacts()
            return read_facts(view.connection, view.present, str(realm))

    def list(self, realm: RealmId | str, report: str | None = None) -> list[StoredReport]:
        """What is kept of a company, newest first."""
        with self._workspace.read() as view:
            if view is None or not view.has(table.NAME):
                return []
            values = {"realm": str(realm), "report": report}
            rows = view.connection.execute(table.LIST, values).fetchall()
        return [StoredReport(*row) for row in rows]

    def payload(self, realm: RealmId | str, report_id: str) -> bytes:
        """The bytes of a report as Intuit sent them.

        Raises:
            BadInputError: no such report is kept.
        """
        with self._workspace.read() as view:
            row = (
                None
                if view is None or not view.has(table.NAME)
                else view.connection.execute(table.READ, [str(realm), report_id]).fetchone()
            )
        if row is None:
            raise BadInputError(f"Bronze keeps no report {report_id[:40]!r} of company {realm}.")
        return str(row[0]).encode()

    def _instant(self, connection: duckdb.DuckDBPyConnection, realm: str) -> datetime:
        """Now, or just after the company's newest report where the clock stepped back."""
        row = connection.execute(table.LATEST, [realm]).fetchone()
        last: datetime | None = None if row is None else row[0]
        now = self._workspace.clock.now()
        return now if last is None else max(now, last + _TICK)

    def _verify(self, ids: Sequence[str]) -> None:
        """DuckDB lets a COMMIT after an error succeed and write nothing: look."""
        with self._workspace.read() as view:
            if view is None or _count(view.connection, ids) == 0:
                raise BronzeError(
                    "DuckDB acknowledged a commit whose reports are not there; nothing was kept. "
                    "Check the disk, then ask for the reports again."
                )


def forget_superseded(session: OpenStore) -> int:
    """Drop all but the newest whole answers to each question; how many."""
    return _forget(session, "true", [])


def _forget(session: OpenStore, whose: str, values: Sequence[object]) -> int:
    connection, named_by = session.connection, f'"{session.catalog}".{table.NAMED_BY}'
    try:
        connection.execute(f"SELECT report_id FROM {named_by} LIMIT 0")
    except duckdb.CatalogException:
        statement = table.superseded(whose, None)
    else:
        statement = table.superseded(whose, named_by)
    rows = connection.execute(statement, [*values, table.KEPT]).fetchall()
    ids = [str(row[0]) for row in rows]
    if ids:
        connection.execute(table.FORGET, [ids])
    return len(ids)


def _count(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> int:
    row = connection.execute(table.FIND, [list(ids)]).fetchone()
    return 0 if row is None else int(row[0])


def _rows(
    ids: Sequence[str], realm: str, fetched: Sequence[FetchedReport], at: datetime
) -> Iterator[tuple[object, ...]]:
    for position, (id, each) in enumerate(zip(ids, fetched, strict=True)):
        yield (
            id,
            realm,
            each.report,
            msgspec.json.encode(each.params, order="sorted").decode(),
            each.window_start,
            each.window_end,
            each.basis,
            each.fetched_at,
            each.report_time,
            each.request_id,
            each.payload.decode(),
            hashlib.sha256(each.payload).hexdigest(),
            each.cells,
            each.cut is not None,
            each.cut,
            each.run_id,
            at + position * _TICK,
        )
