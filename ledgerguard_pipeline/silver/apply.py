"""Bringing the tables of entity types up to date, inside the caller's transaction.

What changed in Bronze since a company's instant is deleted and inserted anew, and the instant
moves with it. Building anew is the same from the beginning of time, so both end alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.bronze.backends.kept_instance import Memory
from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.decode.rows import ROW, Decoded
from ledgerguard_pipeline.silver.decode.shape import INSTANT
from ledgerguard_pipeline.silver.layout import EntityTables, Table
from ledgerguard_pipeline.silver.reading import Changed, Payloads, Work, changed, groups, is_large

_SHARED = ("realm_id", "id", "loaded_at")
_HEADERS = (
    *_SHARED,
    "sync_token",
    "state",
    "created_at",
    "last_updated_at",
    "payload_sha256",
)
_NOTES = pa.schema(
    [
        ("realm_id", pa.string()),
        ("entity", pa.string()),
        ("applied_to", INSTANT),
        ("silver_version", pa.string()),
        ("silver_at", INSTANT),
    ]
)


@dataclass(slots=True)
class Applied:
    """What was done to one entity type: objects that changed, rows now there, values that fit nowhere."""

    entity: str
    changed: int = 0
    written: int = 0
    misfits: int = 0


class Applier:
    """Works on entity types one after the other, over a connection with an open transaction.

    ``reader`` is another connection to the same store, for reading while this one writes. At
    the end ``note`` writes down up to when Bronze is in Silver. ``memory`` is that of a file.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        reader: duckdb.DuckDBPyConnection,
        catalog: str,
        now: datetime,
        memory: Memory | None,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._catalog = catalog
        self._now = now
        self._memory = memory
        self._notes: list[dict[str, object]] = []
        self.done: list[Applied] = []

    def apply(self, works: Sequence[Work]) -> None:
        """Bring these entity types up to date; what changed in small ones is read together."""
        for each in works:
            if each.dirty:
                self._clear(each.tables, each.dirty)
        found = changed(self._connection, self._catalog, works)
        done = {each.work.tables.entity.name: self._began(each) for each in found}
        payloads = Payloads(self._reader, self._catalog)
        for group in groups(found):
            with (
                self._memory.beside_arrow() if self._memory and is_large(group) else nullcontext(),
                closing(payloads.decoded(group)) as decoded,
            ):
                for tables, chunk, rows in decoded:
                    self._write(tables, chunk, rows, done[tables.entity.name])
        self.done += done.values()

    def _began(self, found: Changed) -> Applied:
        """Make room for the rows that are about to come, and note up to when they reach."""
        work = found.work
        if found.keys.num_rows and any(work.due.values()):
            self._connection.register(statements.CHANGED, found.keys)
            try:
                self._delete(work.tables)
            finally:
                self._connection.unregister(statements.CHANGED)
        self._keep_note(work.tables, work.since, found.keys)
        return Applied(work.tables.entity.name, found.keys.num_rows)

    def _clear(self, tables: EntityTables, realms: Sequence[str]) -> None:
        """Children and misfits exist only where the object does, here as in ``_delete``."""
        header, *children = [table.name for table in tables.tables]
        if not self._clear_table(header, realms):
            return
        for name in children:
            self._clear_table(name, realms)
        self._connection.execute(
            statements.forget_misfits(self._catalog),
            {"realms": list(realms), "entity": tables.entity.name},
        )

    def _clear_table(self, name: str, realms: Sequence[str]) -> int:
        row = self._connection.execute(
            statements.delete_companies(self._catalog, name), {"realms": list(realms)}
        ).fetchone()
        return int(row[0]) if row else 0

    def _delete(self, tables: EntityTables) -> None:
        header, *children = [table.name for table in tables.tables]
        row = self._connection.execute(statements.delete_changed(self._catalog, header)).fetchone()
        if row is None or not row[0]:
            return
        for name in children:
            self._connection.execute(statements.delete_changed(self._catalog, name))
        self._connection.execute(
            statements.delete_misfits(self._catalog), {"entity": tables.entity.name}
        )

    def _write(
        self, tables: EntityTables, chunk: pa.Table, decoded: Decoded, done: Applied
    ) -> None:
        shared = {name: chunk.column(name).combine_chunks() for name in _HEADERS}
        for table in tables.tables:
            rows = decoded.table(table.name)
            if rows is not None:
                self._insert(table.name, self._complete(table, rows, shared))
        self._keep_misfits(tables, decoded, shared)
        done.written += chunk.num_rows
        done.misfits += len(decoded.misfits)

    def _complete(self, table: Table, rows: pa.Table, shared: Mapping[str, pa.Array]) -> pa.Table:
        """Rows with the columns that come from Bronze."""
        positions = rows.column(ROW)
        # What has no value in any of them needs no column: it is NULL then.
        empty = [
            name
            for name, each in zip(rows.column_names, rows.columns, strict=True)
            if each.null_count == rows.num_rows
        ]
        rows = rows.drop_columns([ROW, *empty])
        for name in _HEADERS if table.child is None else _SHARED:
            rows = rows.append_column(name, _taken(shared[name], positions))
        if table.child is None:
            now = pa.repeat(pa.scalar(self._now, INSTANT), rows.num_rows)
            rows = rows.append_column("silver_at", now)
        return rows

    def _keep_misfits(
        self, tables: EntityTables, decoded: Decoded, shared: Mapping[str, pa.Array]
    ) -> None:
        if not decoded.misfits:
            return
        positions = pa.chunked_array([pa.array([each.row for each in decoded.misfits], pa.int32())])
        count = len(decoded.misfits)
        rows = {name: _taken(shared[name], positions) for name in _SHARED}
        self._insert(
            statements.MISFITS,
            pa.table(
                {
                    **rows,
                    "entity": pa.array([tables.entity.name] * count),
                    "path": pa.array([each.path for each in decoded.misfits]),
                    "text": pa.array([each.text for each in decoded.misfits]),
                }
            ),
        )

    def _insert(self, name: str, rows: pa.Table) -> None:
        # DuckDB finds it by the name of the variable. What is registered stays until the
        # transaction ends, and a million invoices are hundreds of chunks.
        silver_incoming = rows  # noqa: F841
        self._connection.execute(statements.insert(self._catalog, name))

    def _keep_note(
        self, tables: EntityTables, since: Mapping[str, datetime], keys: pa.Table
    ) -> None:
        newest = keys.group_by("realm_id").aggregate([("loaded_at", "max")]).to_pydict()
        reached = dict(zip(newest["realm_id"], newest["loaded_at_max"], strict=True))
        self._notes += [
            {
                "realm_id": realm,
                "entity": tables.entity.name,
                "applied_to": reached.get(realm) or instant,
                "silver_version": tables.version,
                "silver_at": self._now,
            }
            for realm, instant in since.items()
        ]

    def note(self) -> None:
        """Write down up to which instant Bronze is in Silver, for all that was applied."""
        notes = pa.Table.from_pylist(self._notes, _NOTES)
        self._connection.register(statements.INCOMING, notes)
        try:
            self._connection.execute(statements.forget_applied(self._catalog))
            self._connection.execute(statements.insert(self._catalog, statements.APPLIED))
        finally:
            self._connection.unregister(statements.INCOMING)


def _taken(values: pa.Array, positions: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of these payloads. As a dictionary a text of many rows stands once."""
    if values.type != pa.string():
        return pc.take(values, positions)
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(each, values) for each in positions.chunks],
        pa.dictionary(pa.int32(), pa.string()),
    )
