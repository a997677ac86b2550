"""Read the objects that events are about, in the fewest calls.

One object is one read. Several are asked for by id, a hundred in a statement and up to nine
hundred objects in a batch; where that would take more than one statement and all of it happened
just now, a single change-data-capture call is asked first, and only what it did not show is then
read by id. Nothing is believed gone because one answer does not show it: either an event says so
as well, or it is asked a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    AccessDenied,
    ChangesTooOld,
    FeatureUnavailable,
    LedgerGuardError,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
)
from ledgerguard_pipeline.ingestion.reader import IDS_PER_QUERY, EntityReader, Living
from ledgerguard_pipeline.ingestion.targets import Target
from ledgerguard_pipeline.qbo.answers import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.statement import Query
from ledgerguard_pipeline.values import Record, Reject, Source, State

IDS_PER_BATCH = 900
"""Stays below the 1000 objects one answer may hold."""

STATEMENTS_PER_BATCH = 25

CHANGES_REACH = timedelta(minutes=15)
"""Older events would make a change-data-capture answer hold much that nobody asked for."""

CHANGES_OVERLAP = timedelta(minutes=2)
MOST_BY_CHANGES = 500

_SPOILT = (PoisonPage, RequestRejected, FeatureUnavailable, AccessDenied)
"""One type, or one record, can be the reason why a whole call is refused."""


@dataclass(slots=True)
class EntityRead:
    """What reading one type brought; ``error`` means nothing is known about its targets."""

    entity: EntityType
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    bytes: int = 0
    error: LedgerGuardError | None = None
    note: str | None = None


class EventReader:
    """Reads targets of one company."""

    def __init__(self, client: QBOClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self, targets: Sequence[Target]) -> dict[str, EntityRead]:
        """The state of every target, by entity name; a type that fails leaves the others alone.

        Raises:
            LedgerGuardError: no call could be made at all (no access, throttled, service down).
        """
        reads = {target.entity.name: EntityRead(target.entity) for target in targets}
        open_targets = {(target.entity.name, target.object_id): target for target in targets}
        if self._by_changes(targets):
            self._ask_changes(open_targets, reads)
        if len(targets) == 1 and targets[0].entity.kind is not Kind.SINGLETON:
            self._ask_one(targets[0], reads)
        else:
            self._ask_by_id(open_targets, reads)
        return reads

    def _by_changes(self, targets: Sequence[Target]) -> bool:
        """Whether one change-data-capture call is cheaper: Intuit meters every statement."""
        moments = [target.occurred_at for target in targets]
        known = [moment for moment in moments if moment is not None]
        return (
            len(_statements(targets)) > 1
            and len(targets) <= MOST_BY_CHANGES
            and all(target.entity.cdc for target in targets)
            and len(known) == len(targets)
            and min(known) >= self._clock.now() - CHANGES_REACH
        )

    def _ask_changes(
        self, open_targets: dict[tuple[str, str], Target], reads: dict[str, EntityRead]
    ) -> None:
        """Settle what the answer shows; it may be cut, so what it lacks proves nothing."""
        moments = [target.occurred_at for target in open_targets.values()]
        oldest = min(moment for moment in moments if moment is not None)
        entities = [read.entity for read in reads.values()]
        try:
            changes = self._client.changes(entities, oldest - CHANGES_OVERLAP)
        except (ChangesTooOld, *_SPOILT):
            return
        for name, group in changes.groups.items():
            gone = {record.id for record in group.tombstones}
            for record in (*group.records, *group.tombstones):
                target = open_targets.get((name, record.id))
                if target is None or (record.id in gone and not target.ended):
                    continue
                if record.state.gone != (record.id in gone):
                    continue
                del open_targets[name, record.id]
                reads[name].records.append(_attributed(record, target))

    def _ask_one(self, target: Target, reads: dict[str, EntityRead]) -> None:
        read = reads[target.entity.name]
        try:
            record = self._client.get_entity(target.entity.name, target.object_id)
        except NotFound as error:
            read.records.append(_gone(target, self._clock.now(), error.intuit_tid))
        except PoisonPage as error:
            read.rejects.append(_reject(target, str(error), self._clock.now(), error.intuit_tid))
        except FeatureUnavailable as error:
            read.note = error.message
        except (RequestRejected, AccessDenied) as error:
            read.error = error
        else:
            read.bytes += len(record.payload or b"")
            read.records.append(_attributed(record, target))

    def _ask_by_id(
        self, open_targets: dict[tuple[str, str], Target], reads: dict[str, EntityRead]
    ) -> None:
        for batch in _batches(_statements(open_targets.values())):
            for (entity, targets), answer in zip(batch, self._answers(batch), strict=True):
                read = reads[entity.name]
                try:
                    self._take(read, targets, self._living(entity, targets, answer))
                except FeatureUnavailable as error:
                    read.note = error.message
                except LedgerGuardError as error:
                    read.error = error

    def _answers(
        self, batch: Sequence[tuple[EntityType, list[Target]]]
    ) -> Sequence[Page | QBOAPIError]:
        queries = [(entity, _query(entity, targets)) for entity, targets in batch]
        if len(queries) > 1:
            try:
                return self._client.query_batch(queries)
            except _SPOILT:
                pass
        return [self._alone(entity, query) for entity, query in queries]

    def _alone(self, entity: EntityType, query: Query) -> Page | QBOAPIError:
        try:
            return self._client.query_page(entity, query)
        except _SPOILT as error:
            return error

    def _living(
        self, entity: EntityType, targets: Sequence[Target], answer: Page | QBOAPIError
    ) -> Living:
        if isinstance(answer, Page):
            found = Living(list(answer.records), _ids(answer.rejects))
            found.time, found.request_id = answer.time, answer.request_id
            return found
        if isinstance(answer, PoisonPage | RequestRejected):
            # One record or one statement spoilt it: asked alone, the others can be read.
            reader = EntityReader(self._client, entity, clock=self._clock)
            return reader.alive([target.object_id for target in targets])
        raise answer

    def _take(self, read: EntityRead, targets: Sequence[Target], living: Living) -> None:
        entity = read.entity
        time = living.time or self._clock.now()
        if entity.kind is Kind.SINGLETON:
            read.records.extend(_attributed(record, targets[0]) for record in living.records)
            return
        shown = {record.id: record for record in living.records}
        missing = [
            target
            for target in targets
            if target.object_id not in shown and target.object_id not in living.unreadable
        ]
        doubted = [target.object_id for target in missing if not target.ended]
        if doubted:
            again = EntityReader(self._client, entity, clock=self._clock).alive(doubted)
            shown |= {record.id: record for record in again.records}
            living.unreadable |= again.unreadable
            time = again.time or time
        for target in targets:
            record = shown.get(target.object_id)
            if record is not None:
                read.bytes += len(record.payload or b"")
                read.records.append(_attributed(record, target))
            elif target.object_id in living.unreadable:
                why = "Intuit cannot serve this record"
                read.rejects.append(_reject(target, why, time, living.request_id))
            else:
                read.records.append(_gone(target, time, living.request_id))


def _statements(targets: Iterable[Target]) -> list[tuple[EntityType, list[Target]]]:
    by_entity: dict[str, list[Target]] = {}
    for target in targets:
        by_entity.setdefault(target.entity.name, []).append(target)
    return [
        (group[0].entity, group[at : at + IDS_PER_QUERY])
        for group in by_entity.values()
        for at in range(0, len(group), IDS_PER_QUERY)
    ]


def _batches(
    statements: Sequence[tuple[EntityType, list[Target]]],
) -> list[list[tuple[EntityType, list[Target]]]]:
    """Fill each batch as far as it goes, largest statements first."""
    batches: list[list[tuple[EntityType, list[Target]]]] = []
    for statement in sorted(statements, key=lambda each: -len(each[1])):
        for batch in batches:
            ids = sum(len(targets) for _, targets in batch)
            if len(batch) < STATEMENTS_PER_BATCH and ids + len(statement[1]) <= IDS_PER_BATCH:
                batch.append(statement)
                break
        else:
            batches.append([statement])
    return batches


def _query(entity: EntityType, targets: Sequence[Target]) -> Query:
    if entity.kind is Kind.SINGLETON:
        return Query.select(entity, limit=None)
    return Query.ids(entity, [target.object_id for target in targets])


def _attributed(record: Record, target: Target) -> Record:
    return msgspec.structs.replace(
        record,
        source=Source.WEBHOOK,
        event_id=target.event_id,
        state=_ended_state(target) if record.state.gone else record.state,
        merged_into=target.merged_into if record.state.gone else None,
    )


def _gone(target: Target, time: datetime, request_id: str | None) -> Record:
    """What a read that no longer finds the object says: error 610, or an answer without it."""
    return Record(
        id=target.object_id,
        sync_token=None,
        state=_ended_state(target),
        created_at=None,
        last_updated_at=time,
        payload=None,
        source=Source.WEBHOOK,
        request_id=request_id,
        fetched_at=time,
        event_id=target.event_id,
        merged_into=target.merged_into,
    )


def _ended_state(target: Target) -> State:
    """A list member cannot be deleted, only made inactive: one that is gone went into another."""
    merged = target.merged_into is not None or target.entity.kind is Kind.LIST
    return State.MERGED if merged else State.DELETED


def _reject(target: Target, why: str, time: datetime, request_id: str | None) -> Reject:
    return Reject(target.object_id, why, None, Source.WEBHOOK, request_id, time)


def _ids(rejects: Iterable[Reject]) -> set[str]:
    return {reject.id for reject in rejects if reject.id is not None}
