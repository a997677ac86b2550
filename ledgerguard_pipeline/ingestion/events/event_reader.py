"""Read the objects that events are about, in the fewest calls.

Objects are queried by id, a single one too: by query an object has the form in which Bronze keeps
it, and by a read of its id it may have another (``whole_objects.py``). A statement holds a hundred of
them, a batch up to nine hundred. Nothing is believed gone because one answer does not show it:
either an event says so as well, or it is looked for a second time, some time later; and an answer
that shows nothing at all proves nothing until single reads confirm it (``absence``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from ledgerguard_pipeline.clock import Clock, later_of
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    LedgerGuardError,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
)
from ledgerguard_pipeline.ingestion.events.targets import ChangedObject
from ledgerguard_pipeline.ingestion.queries.absence import GONE, look, prove_gone
from ledgerguard_pipeline.ingestion.queries.batches import ONE_OF_THEM, packed, read_each
from ledgerguard_pipeline.ingestion.queries.entity_queries import (
    IDS_PER_QUERY,
    EntityQueries,
    LiveRecords,
    ids_of,
)
from ledgerguard_pipeline.ingestion.queries.whole_objects import completed
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Record, Reject, Source, State


@dataclass(slots=True)
class EntityRead:
    """What reading one type brought; ``error`` means nothing is known about its targets."""

    entity: EntityType
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    bytes: int = 0
    error: LedgerGuardError | None = None
    note: str | None = None
    missed: list[ChangedObject] = field(default_factory=list)
    """What no answer showed and no event calls gone: to be looked for again, later."""


class EventReader:
    """Reads targets of one company."""

    def __init__(self, client: QBOClient, clock: Clock, *, comes_back: bool = True) -> None:
        """``comes_back``: what is missed is looked for later; else no look but a sync's deletes it."""
        self._client = client
        self._clock = clock
        self._comes_back = comes_back

    def read(self, targets: Sequence[ChangedObject]) -> dict[str, EntityRead]:
        """The state of every target, by entity name; a type that fails leaves the others alone.

        Raises:
            LedgerGuardError: no call could be made at all (no access, throttled, service down).
        """
        reads = {target.entity.name: EntityRead(target.entity) for target in targets}
        alone = {name for name, number in _numbers(targets).items() if number == 1}
        gone = [
            target
            for target in targets
            if target.entity.name in alone and self._is_gone(target, reads[target.entity.name])
        ]
        open_targets = {
            (target.entity.name, target.object_id): target
            for target in targets
            if target not in gone
        }
        self._ask_by_id(open_targets, reads)
        return reads

    def _is_gone(self, target: ChangedObject, read: EntityRead) -> bool:
        """Whether a read says that the one announced deletion of a type happened.

        It costs what a statement would cost, and proves what a statement's silence does not.
        """
        if not target.ended or target.entity.kind is not Kind.TRANSACTION:
            return False
        try:
            self._client.get_entity(target.entity.name, target.object_id)
        except NotFound as error:
            if error.fault_code != GONE:
                return False
            read.records.append(_gone(target, self._clock.now(), error.intuit_tid))
            return True
        except ONE_OF_THEM:
            return False
        return False

    def _ask_by_id(
        self, open_targets: dict[tuple[str, str], ChangedObject], reads: dict[str, EntityRead]
    ) -> None:
        statements = _statements(open_targets.values())
        for batch in packed(statements, lambda statement: len(statement[1])):
            queries = [(entity, _query(entity, targets)) for entity, targets in batch]
            answers = read_each(self._client, queries)
            for (entity, targets), answer in zip(batch, answers, strict=True):
                read = reads[entity.name]
                try:
                    self._take(read, targets, self._living(entity, targets, answer))
                except FeatureUnavailable as error:
                    read.note = error.message
                except LedgerGuardError as error:
                    read.error = error

    def _living(
        self, entity: EntityType, targets: Sequence[ChangedObject], answer: Page | QBOAPIError
    ) -> LiveRecords:
        ids = [target.object_id for target in targets]
        if isinstance(answer, Page):
            found = LiveRecords()
            EntityQueries(self._client, entity, clock=self._clock).take(ids, answer, found)
            return found
        if isinstance(answer, PoisonPage | RequestRejected):
            # One record or one statement spoilt it: asked alone, the others can be read.
            try:
                return self._again(entity, ids)
            except RequestRejected:
                # A type that cannot be queried has one form only.
                return self._singly(entity, ids)
        raise answer

    def _take(self, read: EntityRead, targets: Sequence[ChangedObject], live: LiveRecords) -> None:
        entity = read.entity
        time = later_of(live.time, self._clock)
        settled = completed(self._client, entity, live.records)
        read.rejects += [*live.rejects, *settled.rejects]
        live.unreadable |= ids_of(settled.rejects)
        if entity.kind is Kind.SINGLETON:
            read.records.extend(_attributed(record, targets[0]) for record in settled.records)
            return
        shown = {record.id: record for record in settled.records}
        missing = [
            target
            for target in targets
            if target.object_id not in shown and target.object_id not in live.unreadable
        ]
        later = [target for target in missing if not target.ended and not target.missed]
        gone = [target for target in missing if target.ended or target.missed]
        if gone and (not shown or not all(target.ended for target in gone)):
            prove_gone(self._client, entity, [target.object_id for target in gone])
        if not self._comes_back:
            later += [target for target in gone if not target.ended]
        read.missed.extend(later)
        noted = ids_of(read.rejects)
        for target in targets:
            if target in later:
                continue
            record = shown.get(target.object_id)
            if record is not None:
                read.bytes += len(record.payload or b"")
                read.records.append(_attributed(record, target))
            elif target.object_id not in live.unreadable:
                read.records.append(_gone(target, time, live.request_id))
            elif target.object_id not in noted:
                why = "Intuit cannot serve this record"
                read.rejects.append(_reject(target, why, time, live.request_id))

    def _again(self, entity: EntityType, ids: Sequence[str]) -> LiveRecords:
        return EntityQueries(self._client, entity, clock=self._clock).alive(ids)

    def _singly(self, entity: EntityType, ids: Sequence[str]) -> LiveRecords:
        live = LiveRecords()
        for id in ids:
            try:
                found = look(self._client, entity, id, missing=len(ids))
            except PoisonPage as error:
                live.add_unreadable(id, error)
                continue
            if isinstance(found, NotFound):
                live.request_id = found.intuit_tid
            else:
                live.records.append(found)
        return live


def _numbers(targets: Sequence[ChangedObject]) -> Counter[str]:
    return Counter(target.entity.name for target in targets)


def _statements(targets: Iterable[ChangedObject]) -> list[tuple[EntityType, list[ChangedObject]]]:
    by_entity: dict[str, list[ChangedObject]] = {}
    for target in targets:
        by_entity.setdefault(target.entity.name, []).append(target)
    return [
        (group[0].entity, group[at : at + IDS_PER_QUERY])
        for group in by_entity.values()
        for at in range(0, len(group), IDS_PER_QUERY)
    ]


def _query(entity: EntityType, targets: Sequence[ChangedObject]) -> Query:
    if entity.kind is Kind.SINGLETON:
        return Query.select(entity, limit=None)
    return Query.ids(entity, [target.object_id for target in targets])


def _attributed(record: Record, target: ChangedObject) -> Record:
    return msgspec.structs.replace(
        record,
        source=Source.WEBHOOK,
        event_id=target.event_id,
        state=_ended_state(target) if record.state.gone else record.state,
        merged_into=target.merged_into if record.state.gone else None,
    )


def _gone(target: ChangedObject, time: datetime, request_id: str | None) -> Record:
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


def _ended_state(target: ChangedObject) -> State:
    return State.MERGED if target.merged_into is not None else target.entity.gone_state


def _reject(target: ChangedObject, why: str, time: datetime, request_id: str | None) -> Reject:
    return Reject(target.object_id, why, None, Source.WEBHOOK, request_id, time)
