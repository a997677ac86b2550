"""What is written, in Arrow form: rows of versions, and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledgerguard_pipeline.bronze.backends.duckdb_file import ROW_GROUP_ROWS
from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.write.version_order import Version, microseconds
from ledgerguard_pipeline.values import Record

if TYPE_CHECKING:
    import pyarrow as pa

_SLICE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """The versions of one load that are written, and when it is committed (microseconds)."""

    load: Load
    versions: Sequence[tuple[Record, Version]]
    loaded_at: int


def id_table(ids: Sequence[str]) -> pa.Table:
    """Ids of one company."""
    import pyarrow as pa

    return pa.table({"id": pa.array(ids, pa.string())})


def key_table(ids: Mapping[str, Iterable[str]]) -> pa.Table:
    """Ids by company."""
    import pyarrow as pa

    keys = [(realm, id) for realm, mine in ids.items() for id in mine]
    text = pa.string()
    return pa.table(
        {
            "realm_id": pa.array([realm for realm, _ in keys], text),
            "id": pa.array([id for _, id in keys], text),
        }
    )


def arrow_slices(chosen: Iterable[Chosen]) -> Iterator[pa.Table]:
    """The rows to append, in slices of one row group or 32 MB, whichever is smaller.

    Rows of several loads, so of several companies, share a slice.
    """
    parts: list[Chosen] = []
    rows = size = 0
    for each in chosen:
        start = 0
        for position, (record, _) in enumerate(each.versions):
            size += len(record.payload or b"")
            rows += 1
            if size >= _SLICE_BYTES or rows >= ROW_GROUP_ROWS:
                parts.append(Chosen(each.load, each.versions[start : position + 1], each.loaded_at))
                yield _arrow(parts)
                parts, rows, size, start = [], 0, 0, position + 1
        if start < len(each.versions):
            parts.append(Chosen(each.load, each.versions[start:], each.loaded_at))
    if parts:
        yield _arrow(parts)


def _arrow(parts: Sequence[Chosen]) -> pa.Table:
    import pyarrow as pa

    text = pa.string()
    instant = pa.timestamp("us", "UTC")
    records = [record for each in parts for record, _ in each.versions]
    versions = [version for each in parts for _, version in each.versions]

    def of_load(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        if len(parts) == 1:
            return pa.repeat(pa.scalar(values[0], kind), len(records))
        repeated: list[object] = []
        for value, each in zip(values, parts, strict=True):
            repeated += [value] * len(each.versions)
        return pa.array(repeated, kind)

    loads = [each.load for each in parts]
    created = [
        None if record.created_at is None else microseconds(record.created_at) for record in records
    ]
    runs = [None if load.run_id is None else str(load.run_id) for load in loads]
    columns: dict[str, pa.Array] = {
        "realm_id": of_load([str(load.realm_id) for load in loads], text),
        "id": pa.array([record.id for record in records], text),
        "sync_token": pa.array([record.sync_token for record in records], text),
        "state": pa.array([version.state for version in versions], text),
        "merged_into": pa.array([record.merged_into for record in records], text),
        "created_at": pa.array(created, instant),
        "last_updated_at": pa.array([version.updated for version in versions], instant),
        "payload": pa.array([record.payload for record in records], text),
        "payload_sha256": pa.array([version.sha256 for version in versions], text),
        "source": pa.array([record.source for record in records], text),
        "event_id": pa.array([record.event_id for record in records], text),
        "request_id": pa.array([record.request_id for record in records], text),
        "run_id": of_load(runs, text),
        "load_id": of_load([str(load.load_id) for load in loads], text),
        "fetched_at": pa.array([version.fetched for version in versions], instant),
        "loaded_at": of_load([each.loaded_at for each in parts], instant),
    }
    return pa.table(columns)
