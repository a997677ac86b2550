"""From records to what a load writes: one newest version per object."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.write.differences import Difference, difference, lacking
from ledgerguard_pipeline.bronze.write.version_order import (
    Version,
    VersionDecision,
    judge,
    raised_floor,
    same_version,
    version_of,
)
from ledgerguard_pipeline.members import without_signed_links
from ledgerguard_pipeline.values import Record, Reject, Source

Payloads = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Newest stored payloads of some ids."""

_NUL = "\0"
"""JSON may say it as an escape, but a text of PostgreSQL, so of a lake's catalog, cannot hold it."""

_NAME = b'"name"'


@dataclass(slots=True)
class Batch:
    """A load's records while they are being sorted out; the counts add up to all of them."""

    newest: dict[str, tuple[Record, Version]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    unchanged: int = 0
    stale: int = 0
    restated: dict[str, Difference] = field(default_factory=dict)
    """Of those chosen: why they are written although Bronze holds their version."""


def collapse(load: Load) -> Batch:
    """Keep the newest of each object; what cannot be stored becomes a reject."""
    batch = Batch(rejects=[_storable(reject) for reject in load.rejects])
    newest = batch.newest
    sha256 = hashlib.sha256
    for sent in load.records:
        record = _kept(sent)
        problem = _problem(record)
        if problem is not None:
            batch.rejects.append(_storable(_reject(record, problem)))
            continue
        payload = record.payload
        digest = None if payload is None else sha256(payload).hexdigest()
        try:
            version = version_of(record, digest)
        except TypeError:
            batch.rejects.append(_reject(record, "a time without UTC offset"))
            continue
        held = newest.get(record.id)
        if held is None:
            newest[record.id] = (record, version)
            continue
        decision = judge(version, held[1])
        changes_form = held[0].source is Source.CDC and record.source is not Source.CDC
        if (
            decision is VersionDecision.WRITE
            and same_version(version, held[1])
            and not changes_form
        ):
            decision, _ = _same(record, held[0].payload)
        match decision:
            case VersionDecision.WRITE:
                newest[record.id] = (record, raised_floor(version, held[1]))
                batch.stale += 1
            case VersionDecision.UNCHANGED:
                batch.unchanged += 1
            case VersionDecision.STALE:
                batch.stale += 1
    return batch


def decide(
    batch: Batch,
    stored: Mapping[str, Version],
    payloads: Payloads,
    always: Sequence[bytes] = (),
    *,
    by_changes: bool = False,
) -> list[tuple[Record, Version]]:
    """Those versions that go on top of what is stored; the others are counted in ``batch``.

    ``payloads`` reads stored payloads, asked only where a header cannot tell: the same version
    with other bytes, or a row that lacks what its type has ``always``. ``by_changes`` as in
    ``_same``.
    """
    chosen: list[tuple[Record, Version]] = []
    doubtful: dict[str, Version] = {}
    for identity, (record, version) in batch.newest.items():
        held = stored.get(identity)
        decision = VersionDecision.WRITE if held is None else judge(version, held)
        if decision is not VersionDecision.WRITE:
            batch.unchanged += decision is VersionDecision.UNCHANGED
            batch.stale += decision is VersionDecision.STALE
        elif held is None or version.gone:
            chosen.append((record, version))
        elif held.gone:
            batch.restated[identity] = Difference.REVIVED
            chosen.append((record, version))
        elif same_version(version, held) or _lacks(record, always):
            doubtful[identity] = version
        else:
            chosen.append((record, version))
    if doubtful:
        closer = _Closer(always, by_changes)
        _look_closer(batch, doubtful, stored, payloads(list(doubtful)), chosen, closer)
    return chosen


@dataclass(frozen=True, slots=True)
class _Closer:
    """What is known of a type's rows: members they always have, and whether changes show them."""

    always: Sequence[bytes]
    by_changes: bool


def _look_closer(
    batch: Batch,
    doubtful: Mapping[str, Version],
    stored: Mapping[str, Version],
    payloads: Mapping[str, bytes],
    chosen: list[tuple[Record, Version]],
    closer: _Closer,
) -> None:
    for identity, version in doubtful.items():
        record, held = batch.newest[identity][0], payloads.get(identity)
        if not same_version(version, stored[identity]):
            # A shorter form never replaces a whole one.
            if held is not None and _shorter(record, held, closer.always):
                batch.rejects.append(_reject(record, "members are missing that it always had"))
            else:
                chosen.append((record, version))
            continue
        decision, why = _same(record, held, by_changes=closer.by_changes)
        if decision is VersionDecision.WRITE:
            batch.restated[identity] = why
            chosen.append((record, version))
        else:
            batch.unchanged += 1


def _same(
    record: Record, held: bytes | None, *, by_changes: bool = False
) -> tuple[VersionDecision, Difference]:
    """What to do with a version that is held with other bytes, and how they differ.

    ``by_changes`` says that the type has no query, so that Bronze holds the form of changes.
    """
    if (record.source is Source.CDC and not by_changes) or held is None or record.payload is None:
        # Only a query's form is kept, and change data capture shows no more than the version.
        return VersionDecision.UNCHANGED, Difference.SAME
    how = difference(held, record.payload)
    kept = how in (Difference.SAME, Difference.NARROWED)
    if record.source is Source.CDC:
        # Other names are news, and whatever else may be a matter of form.
        alike = held.count(_NAME) == record.payload.count(_NAME)
        kept = how is not Difference.RENAMED or not alike
    return (VersionDecision.UNCHANGED if kept else VersionDecision.WRITE), how


def _lacks(record: Record, always: Sequence[bytes]) -> bool:
    payload = record.payload
    return payload is not None and not all(name in payload for name in always)


def _shorter(record: Record, held: bytes, always: Sequence[bytes]) -> bool:
    """Whether a row lacks a member that its type always has and that the stored one shows."""
    missing = {f'"{name}"'.encode() for name in lacking(held, record.payload or b"")}
    return not missing.isdisjoint(always)


def _kept(record: Record) -> Record:
    """The record as it may be stored: signed links are credentials and change at each read."""
    payload = record.payload
    if payload is None:
        return record
    masked = without_signed_links(payload)
    return record if masked is payload else msgspec.structs.replace(record, payload=masked)


def _problem(record: Record) -> str | None:
    if not record.id:
        return "a record without an Id"
    if _NUL in record.id:
        return "an Id with U+0000"
    if record.sync_token is not None and _NUL in record.sync_token:
        return "a SyncToken with U+0000"
    if not record.whole:
        return "only a part of the object was sent"
    payload = record.payload
    if payload is None:
        return None if record.state.gone else "a living record without a payload"
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            return "the payload is not UTF-8"
    if record.created_at is not None and record.created_at.tzinfo is None:
        return "a time without UTC offset"
    return None


def _storable(reject: Reject) -> Reject:
    """The same with U+0000 written out where it occurs in the id."""
    if reject.id is None or _NUL not in reject.id:
        return reject
    return replace(reject, id=reject.id.replace(_NUL, r"\u0000"))


def _reject(record: Record, reason: str) -> Reject:
    return Reject(
        id=record.id or None,
        reason=reason,
        payload=record.payload,
        source=record.source,
        request_id=record.request_id,
        fetched_at=record.fetched_at,
    )
