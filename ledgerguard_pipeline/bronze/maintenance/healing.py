"""Mending what earlier releases wrote: doubled versions, rows that are stubs, signed links.

Release 0.1.0 stored a row as whatever read brought it. So one version of an object could be
in Bronze twice, in the form of a query and in that of a single read; a stub of change data
capture could become the newest row of its object; and links that open a file were kept as sent.

Healing is a step that each company takes once, at its first sync; ``_healing`` records it with
what it did. Nothing is lost: rows that are no versions of their own go to ``_set_aside``. Every
part is one transaction, so a kill repeats work and halves none.

Decision 56 in docs/decisions.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import duckdb

from ledgerguard_pipeline.bronze.maintenance import healing_sql as sql
from ledgerguard_pipeline.bronze.write.differences import Difference, difference
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.members import called_sparse, lacking, without_signed_links
from ledgerguard_pipeline.qbo.answers.payload import Origin, read_rows
from ledgerguard_pipeline.values import Record, Source, State

STEP = "one form"
"""Recorded in ``_healing``; a later release that has more to mend names another step."""

DOUBLED, PARTIAL = "doubled", "partial"
"""Why a row was set aside."""

_IDS_AT_ONCE = 500
_RANK = {Source.QUERY.value: 0, Source.RECONCILE.value: 0, Source.CDC.value: 1}
_COLUMNS = ("realm_id", "step", "entity", "masked", "doubled", "partial", "healed_at")
_NOTES = ("realm_id", "entity", "id", "why", "load_id", "loaded_at")


@dataclass(frozen=True, slots=True)
class Healed:
    """What was mended of one entity type of a company.

    ``masked`` rows had signed links, ``doubled`` rows showed a version that another row shows,
    ``partial`` rows were stubs. The latter two were set aside.
    """

    entity: str
    masked: int = 0
    doubled: int = 0
    partial: int = 0

    def __str__(self) -> str:
        done = [
            f"{count:,} {what}"
            for count, what in (
                (self.doubled, "doubled"),
                (self.partial, "held in part and read whole"),
                (self.masked, "with signed links, now masked"),
            )
            if count
        ]
        return "healed rows of an earlier release: " + ", ".join(done)


class Part(NamedTuple):
    """A stored row that shows only a part of its object."""

    record: Record
    loaded_at: datetime
    newest: bool
    called_partial: bool
    """It says so itself, by a status or ``sparse``."""
    missing: tuple[str, ...]

    @property
    def surely(self) -> bool:
        """False where a single member is missing: some objects have none, as a read confirmed."""
        return self.called_partial or len(self.missing) > 1


class _Row(NamedTuple):
    id: str
    loaded_at: datetime
    state: str
    source: str
    sync_token: str | None
    updated: datetime | None
    load_id: str | None
    payload: str | None


def heal_stored(
    connection: duckdb.DuckDBPyConnection, present: Collection[str], realm: str, now: datetime
) -> list[Healed]:
    """Mask links and set doubled rows aside, inside the caller's transaction."""
    done = []
    for entity in ENTITIES:
        if entity.table in present:
            masked = _mask(connection, entity, realm)
            doubled = _undouble(connection, entity, realm, now)
            if masked or doubled:
                done.append(Healed(entity.name, masked=masked, doubled=doubled))
    record(connection, realm, done, now)
    return done


def record(
    connection: duckdb.DuckDBPyConnection,
    realm: str,
    done: Sequence[Healed],
    now: datetime,
    *,
    complete: bool = False,
) -> None:
    """Note what was done; ``complete`` ends the company's step."""
    rows: list[tuple[object, ...]] = [
        (realm, STEP, each.entity, each.masked, each.doubled, each.partial, now) for each in done
    ]
    if complete:
        rows.append((realm, STEP, None, 0, 0, 0, now))
    insert_rows(connection, "_healing", _COLUMNS, rows)


def partial_rows(
    connection: duckdb.DuckDBPyConnection, present: Collection[str], realm: str
) -> dict[EntityType, list[Part]]:
    """The rows of a company that show only a part of their objects, by entity type."""
    found: dict[EntityType, list[Part]] = {}
    for entity in ENTITIES:
        if entity.table not in present:
            continue
        rows = connection.execute(sql.perhaps_partial(entity), [realm]).fetchall()
        parts = [part for row in rows if (part := _part(entity, *row)) is not None]
        if parts:
            found[entity] = parts
    return found


def set_aside(
    connection: duckdb.DuckDBPyConnection,
    entity: EntityType,
    realm: str,
    rows: Sequence[tuple[str, datetime]],
    why: str,
    now: datetime,
) -> None:
    """Move rows, named by id and commit time, out of the history."""
    for at in range(0, len(rows), _IDS_AT_ONCE):
        part = rows[at : at + _IDS_AT_ONCE]
        values: dict[str, object] = {
            "realm": realm,
            "ids": [id for id, _ in part],
            "times": [loaded_at for _, loaded_at in part],
        }
        more = {"entity": entity.name, "why": why, "now": now}
        connection.execute(sql.keep_aside(entity), values | more)
        connection.execute(sql.remove(entity), values)


def doubled_rows(
    connection: duckdb.DuckDBPyConnection, entity: EntityType, realm: str, *, noted: bool
) -> tuple[list[tuple[str, datetime]], dict[tuple[str, datetime], tuple[Difference, str | None]]]:
    """Rows that double a version, and those that restate one with the reason and their load.

    Where reasons were ``noted``, versions that have one for every row are passed over.
    """
    found = connection.execute(sql.doubled_ids(entity, noted=noted), [realm]).fetchall()
    ids = [str(row[0]) for row in found]
    surplus: list[tuple[str, datetime]] = []
    notes: dict[tuple[str, datetime], tuple[Difference, str | None]] = {}
    for at in range(0, len(ids), _IDS_AT_ONCE):
        rows = connection.execute(
            sql.versions_of(entity), [realm, ids[at : at + _IDS_AT_ONCE]]
        ).fetchall()
        for version in _versions(rows):
            _judge(version, surplus, notes)
    return surplus, notes


def _undouble(
    connection: duckdb.DuckDBPyConnection, entity: EntityType, realm: str, now: datetime
) -> int:
    surplus, notes = doubled_rows(connection, entity, realm, noted=True)
    set_aside(connection, entity, realm, surplus, DOUBLED, now)
    known = {
        (str(id), loaded_at)
        for id, loaded_at in connection.execute(sql.NOTED, [realm, entity.name]).fetchall()
    }
    insert_rows(
        connection,
        "_restatements",
        _NOTES,
        [
            (realm, entity.name, id, why.value, load_id, loaded_at)
            for (id, loaded_at), (why, load_id) in notes.items()
            if (id, loaded_at) not in known
        ],
    )
    return len(surplus)


def _mask(connection: duckdb.DuckDBPyConnection, entity: EntityType, realm: str) -> int:
    rows = connection.execute(sql.with_links(entity), [realm]).fetchall()
    linked = [
        (id, loaded_at, masked)
        for id, loaded_at, payload in rows
        if (masked := without_signed_links(payload.encode())) != payload.encode()
    ]
    for at in range(0, len(linked), _IDS_AT_ONCE):
        part = linked[at : at + _IDS_AT_ONCE]
        connection.execute(
            sql.rewrite(entity),
            [
                [id for id, _, _ in part],
                [loaded_at for _, loaded_at, _ in part],
                [masked.decode() for _, _, masked in part],
                realm,
            ],
        )
    for digest, payload in connection.execute(
        sql.QUARANTINED_LINKS, [realm, entity.name]
    ).fetchall():
        masked = without_signed_links(bytes(payload))
        if masked != bytes(payload):
            connection.execute(sql.MASK_QUARANTINED, [masked, masked, realm, entity.name, digest])
    return len(linked)


def _versions(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[_Row]]:
    """The rows of each version that has several, in the order they were committed.

    An object that was gone in between came back: that is no doubling.
    """
    for _, of_one in itertools.groupby((_Row(*row) for row in rows), key=itemgetter(0)):
        versions: dict[tuple[datetime, str | None], list[_Row]] = {}
        for row in of_one:
            if row.state in (State.DELETED, State.MERGED):
                yield from (each for each in versions.values() if len(each) > 1)
                versions = {}
            elif row.updated is not None and row.payload is not None:
                versions.setdefault((row.updated, row.sync_token), []).append(row)
        yield from (each for each in versions.values() if len(each) > 1)


def _judge(
    rows: Sequence[_Row],
    surplus: list[tuple[str, datetime]],
    notes: dict[tuple[str, datetime], tuple[Difference, str | None]],
) -> None:
    """Keep the row in the form of a query, and rows that say something else in it."""
    best = min(_rank(row) for row in rows)
    pattern = max((row for row in rows if _rank(row) == best), key=lambda row: row.loaded_at)
    kept: list[_Row] = []
    for row in rows:
        how = difference((pattern.payload or "").encode(), (row.payload or "").encode())
        form = how in (Difference.WIDENED, Difference.NARROWED) and _rank(row) != best
        same = how is Difference.SAME and row is not pattern
        if form or same:
            surplus.append((row.id, row.loaded_at))
        else:
            kept.append(row)
    for earlier, row in itertools.pairwise(kept):
        how = difference((earlier.payload or "").encode(), (row.payload or "").encode())
        notes[row.id, row.loaded_at] = (how, row.load_id)


def _rank(row: _Row) -> int:
    return _RANK.get(row.source, 2)


def _part(
    entity: EntityType, payload: str, source: str, fetched_at: datetime, *rest: object
) -> Part | None:
    loaded_at, newest = rest
    origin = Origin(Source(source), None, fetched_at)
    try:
        rows = read_rows(b"[" + payload.encode() + b"]", entity, origin)
    except ValueError:
        return None
    if not rows.records or rows.records[0].whole or not isinstance(loaded_at, datetime):
        return None
    found = rows.records[0]
    missing, sparse = lacking(entity.name, found.payload or b""), called_sparse(payload.encode())
    if not missing and not sparse:
        return None  # a status alone is no lack
    return Part(found, loaded_at, bool(newest), sparse or b'"status"' in payload.encode(), missing)
