"""Records and loads for tests, and a look into the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.bronze import BronzeStore, Load, WalkStep
from ledgerguard_pipeline.bronze.loads import Walk
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import Mode, Record, Reject, Source, State

REALM = "9341453474484455"
OTHER_REALM = "9341453474484456"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def record(
    id: str = "1",
    payload: str | bytes | None = None,
    *,
    updated: float | None = 0,
    token: str | None = "0",
    read: float = 100,
    state: State = State.ACTIVE,
    merged_into: str | None = None,
) -> Record:
    """A record last updated and read so many seconds after noon."""
    if payload is None and not state.gone:
        payload = f'{{"Id":"{id}","SyncToken":"{token}","At":"{updated}"}}'
    return Record(
        id=id,
        sync_token=token,
        state=state,
        created_at=NOON,
        last_updated_at=None if updated is None else after(updated),
        payload=payload.encode() if isinstance(payload, str) else payload,
        source=Source.QUERY,
        request_id="tid-1",
        fetched_at=after(read),
        merged_into=merged_into,
    )


def tombstone(
    id: str = "1",
    *,
    updated: float | None,
    read: float,
    state: State = State.DELETED,
    merged_into: str | None = None,
) -> Record:
    return record(id, updated=updated, token=None, read=read, state=state, merged_into=merged_into)


def reject(
    id: str | None = "1", reason: str = "unreadable", payload: bytes | None = b"{"
) -> Reject:
    return Reject(
        id=id,
        reason=reason,
        payload=payload,
        source=Source.QUERY,
        request_id="tid-1",
        fetched_at=NOON,
    )


def load(
    *records: Record,
    entity: str = "Invoice",
    realm: str = REALM,
    id: str = "load-1",
    rejects: Sequence[Reject] = (),
    watermark: datetime | None = None,
    walk: WalkStep | None = None,
    final: bool = True,
) -> Load:
    return Load(
        load_id=id,
        realm_id=realm,
        entity=entity_type(entity),
        mode=Mode.FULL,
        run_id="run-1",
        records=records,
        rejects=rejects,
        watermark=watermark,
        walk=walk,
        api_calls=1,
        fetched_bytes=10,
        started_at=NOON,
        final=final,
    )


def step(
    walk_id: str = "walk-1",
    *,
    cursor: str | None = None,
    rows: int = 0,
    done: bool = False,
    track_seen: bool = True,
) -> WalkStep:
    return WalkStep(
        walk_id=walk_id,
        started_at=NOON,
        cursor=cursor,
        rows=rows,
        done=done,
        track_seen=track_seen,
    )


def walk_of(store: BronzeStore, realm: str = REALM, entity: str = "Invoice") -> Walk | None:
    """The latest full walk of an entity type, finished or not."""
    if not store.exists():
        return None
    columns = ", ".join(each.name for each in fields(Walk))
    rows = store.sql(
        f"SELECT {columns} FROM bronze._walks WHERE realm_id = '{realm}' "
        f"AND entity = '{entity}' ORDER BY saved_at DESC LIMIT 1"
    ).rows
    return Walk.of_row(rows[0]) if rows else None
