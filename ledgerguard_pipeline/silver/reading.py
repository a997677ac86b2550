"""What changed in Bronze since companies' instants: the keys, and the payloads as rows of tables.

Reading one type of a few companies is planned for longer than it runs, so many types are read by
one statement, as long as they are small.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.decode.names_in_use import NamesInUse
from ledgerguard_pipeline.silver.decode.rows import Decoded
from ledgerguard_pipeline.silver.decode.shape import INSTANT
from ledgerguard_pipeline.silver.layout import EntityTables

CHUNK_ROWS = 4_096
"""Payloads decoded at once; bounds the memory."""
_CHUNK_BYTES = 40 << 20
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Companies of an entity type to bring up to date, each since its instant; None builds it anew.

    Of ``dirty`` companies all rows are thrown away first.
    """

    tables: EntityTables
    due: Mapping[str, datetime | None]
    dirty: Sequence[str]

    @property
    def since(self) -> dict[str, datetime]:
        """By company the instant after which everything counts."""
        return {realm: instant or _BEGINNING for realm, instant in self.due.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """The objects of an entity type that changed: company, id, and when the newest version came."""

    work: Work
    keys: pa.Table


def changed(
    connection: duckdb.DuckDBPyConnection, catalog: str, works: Sequence[Work]
) -> list[Changed]:
    """What changed, of each of these."""
    since = [(kind, each.since) for kind, each in enumerate(works)]
    due = pa.table(
        {
            "kind": pa.array([kind for kind, mine in since for _ in mine], pa.int32()),
            "realm_id": pa.array([realm for _, mine in since for realm in mine], pa.string()),
            "since": pa.array([instant for _, mine in since for instant in mine.values()], INSTANT),
        }
    )
    connection.register("silver_due", due)
    try:
        found: pa.Table = connection.execute(
            statements.changed_keys(catalog, [each.tables.entity.table for each in works]),
            {f"after_{kind}": min(mine.values()) for kind, mine in since},
        ).to_arrow_table()
    finally:
        connection.unregister("silver_due")
    if len(works) == 1:
        return [Changed(works[0], found.drop_columns("kind"))]
    return [
        Changed(works[kind], rows.drop_columns("kind")) for kind, rows in _by_kind(found, works)
    ]


def groups(every: Sequence[Changed]) -> Iterator[list[Changed]]:
    """Which are read by one statement: as many as one chunk holds. Without those that have no rows."""
    group: list[Changed] = []
    rows = 0
    for each in every:
        if not each.keys.num_rows:
            continue
        if group and rows + each.keys.num_rows > CHUNK_ROWS:
            yield group
            group, rows = [], 0
        group.append(each)
        rows += each.keys.num_rows
    if group:
        yield group


def is_large(group: Sequence[Changed]) -> bool:
    """Whether it takes more than one chunk."""
    rows: int = sum(each.keys.num_rows for each in group)
    return rows > CHUNK_ROWS


class Payloads:
    """Reads and decodes the living ones of changed objects, over a connection of its own."""

    def __init__(self, reader: duckdb.DuckDBPyConnection, catalog: str) -> None:
        self._reader = reader
        self._catalog = catalog

    def decoded(
        self, group: Sequence[Changed]
    ) -> Generator[tuple[EntityTables, pa.Table, Decoded]]:
        """Payloads with the rows they become. Of many, the next ones are decoded meanwhile."""
        keys = pa.concat_tables(
            each.keys.append_column("kind", pa.repeat(pa.scalar(kind, pa.int32()), len(each.keys)))
            for kind, each in enumerate(group)
        )
        self._reader.register(statements.CHANGED, keys)
        try:
            yield from self._read(group)
        finally:
            self._reader.unregister(statements.CHANGED)

    def _read(self, group: Sequence[Changed]) -> Generator[tuple[EntityTables, pa.Table, Decoded]]:
        names = [NamesInUse(each.work.tables.block) for each in group]
        chunks = self._chunks(group)

        def following() -> tuple[EntityTables, pa.Table, Decoded] | None:
            for kind, chunk in chunks:
                tables = group[kind].work.tables
                payloads = pc.cast(chunk.column("payload").combine_chunks(), pa.string())
                digested = chunk.append_column("payload_sha256", _digests(payloads))
                return tables, digested, decode(tables, payloads, names[kind])
            return None

        if not is_large(group):
            while (found := following()) is not None:
                yield found
            return
        # Arrow and DuckDB both work without Python's lock. Only this thread uses the reader.
        with ThreadPoolExecutor(1, "silver") as beside:
            ahead = beside.submit(following)
            while (found := ahead.result()) is not None:
                ahead = beside.submit(following)
                yield found

    def _chunks(self, group: Sequence[Changed]) -> Iterator[tuple[int, pa.Table]]:
        found = self._reader.execute(
            statements.newest_rows(
                self._catalog, [each.work.tables.entity.table for each in group]
            ),
            {
                f"from_{kind}": pc.min(each.keys.column("loaded_at")).as_py()
                for kind, each in enumerate(group)
            },
        ).to_arrow_reader(CHUNK_ROWS)
        for batch in found:
            for kind, rows in _by_kind(pa.Table.from_batches([batch]), group):
                if rows.num_rows:
                    for piece in _in_pieces(rows):
                        yield kind, piece


def _by_kind(rows: pa.Table, kinds: Sequence[object]) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each kind."""
    if len(kinds) == 1:
        yield 0, rows
        return
    found = rows.column("kind").to_numpy()
    order = np.argsort(found, kind="stable")
    ends = np.searchsorted(found[order], np.arange(len(kinds) + 1))
    for kind, (begin, end) in enumerate(pairwise(ends.tolist())):
        yield kind, rows.take(pa.array(order[begin:end]))


def _digests(payloads: pa.StringArray) -> pa.Array:
    """SHA-256 of each payload as it is now: four times as fast as DuckDB's."""
    _, offsets, data = payloads.buffers()
    if data is None or offsets is None:
        return pa.nulls(len(payloads), pa.string())
    first = payloads.offset
    bounds = np.frombuffer(offsets, np.int32)[first : first + len(payloads) + 1].tolist()
    text = memoryview(data)
    made = [hashlib.sha256(text[begin:end]).hexdigest() for begin, end in pairwise(bounds)]
    missing = payloads.is_null().to_numpy(zero_copy_only=False) if payloads.null_count else None
    return pa.array(made, pa.string(), mask=missing)


def _in_pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """Halves of halves, until a piece is small enough or a single payload."""
    if rows.num_rows > 1 and rows.column("payload").nbytes > _CHUNK_BYTES:
        half = rows.num_rows // 2
        yield from _in_pieces(rows.slice(0, half))
        yield from _in_pieces(rows.slice(half))
    else:
        yield rows
