"""Bringing the tables of entity types up to date, inside the caller's transaction.

What changed in Bronze since a company's instant is deleted and inserted anew, and the instant
moves with it. Building anew is the same from the beginning of time, so both end alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.bronze.backends.kept_instance import Memory
from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.decode.names_in_use import NamesInUse
from ledgerguard_pipeline.silver.decode.rows import ROW, Decoded
from ledgerguard_pipeline.silver.decode.shape import INSTANT
from ledgerguard_pipeline.silver.layout import EntityTables, Table

CHUNK_ROWS = 4_096
"""Payloads decoded at once; bounds the memory."""
_CHUNK_BYTES = 40 << 20
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
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


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

    def apply(
        self, tables: EntityTables, due: Mapping[str, datetime | None], dirty: Sequence[str]
    ) -> None:
        """Bring these companies up to date, each since its instant; None builds it anew.

        Of ``dirty`` companies all rows are thrown away first.
        """
        done = Applied(tables.entity.name)
        since = {realm: instant or BEGINNING for realm, instant in due.items()}
        earliest = min(since.values())
        changed = self._changed(tables, since, earliest)
        done.changed = changed.num_rows
        if dirty:
            self._clear(tables, dirty)
        if done.changed:
            self._connection.register(statements.CHANGED, changed)
            self._reader.register(statements.CHANGED, changed)
            try:
                if any(due.values()):
                    self._delete(tables)
                with (
                    self._memory.beside_arrow()
                    if self._memory and done.changed > CHUNK_ROWS
                    else nullcontext(),
                    closing(self._decoded(tables, earliest, done.changed)) as found,
                ):
                    for chunk, decoded in found:
                        self._write(tables, chunk, decoded, done)
            finally:
                self._connection.unregister(statements.CHANGED)
                self._reader.unregister(statements.CHANGED)
        self._keep_note(tables, since, changed)
        self.done.append(done)

    def _changed(
        self, tables: EntityTables, since: Mapping[str, datetime], earliest: datetime
    ) -> pa.Table:
        due = pa.table(
            {"realm_id": list(since), "since": pa.array(list(since.values()), INSTANT)},
        )
        self._connection.register("silver_due", due)
        try:
            found: pa.Table = self._connection.execute(
                statements.changed_keys(self._catalog, tables.entity.table),
                {"earliest": earliest},
            ).to_arrow_table()
        finally:
            self._connection.unregister("silver_due")
        return found

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

    def _decoded(
        self, tables: EntityTables, earliest: datetime, rows: int
    ) -> Generator[tuple[pa.Table, Decoded]]:
        """Payloads with the rows they become. Of many, the next ones are decoded meanwhile."""
        names = NamesInUse(tables.block)
        chunks = self._chunks(tables, earliest)

        def following() -> tuple[pa.Table, Decoded] | None:
            for chunk in chunks:
                payloads = chunk.column("payload").combine_chunks()
                return chunk, decode(tables, pc.cast(payloads, pa.string()), names)
            return None

        if rows <= CHUNK_ROWS:
            while (found := following()) is not None:
                yield found
            return
        # Arrow and DuckDB both work without Python's lock. Only this thread uses the reader.
        with ThreadPoolExecutor(1, "silver") as beside:
            ahead = beside.submit(following)
            while (found := ahead.result()) is not None:
                ahead = beside.submit(following)
                yield found

    def _chunks(self, tables: EntityTables, earliest: datetime) -> Iterator[pa.Table]:
        found = self._reader.execute(
            statements.newest_rows(self._catalog, tables.entity.table),
            {"earliest": earliest},
        ).to_arrow_reader(CHUNK_ROWS)
        for batch in found:
            yield from _in_pieces(pa.Table.from_batches([batch]))

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
        self, tables: EntityTables, since: Mapping[str, datetime], changed: pa.Table
    ) -> None:
        newest = changed.group_by("realm_id").aggregate([("loaded_at", "max")]).to_pydict()
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


def _in_pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """Halves of halves, until a piece is small enough or a single payload."""
    if rows.num_rows > 1 and rows.column("payload").nbytes > _CHUNK_BYTES:
        half = rows.num_rows // 2
        yield from _in_pieces(rows.slice(0, half))
        yield from _in_pieces(rows.slice(half))
    else:
        yield rows
