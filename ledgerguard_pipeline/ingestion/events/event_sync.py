"""One company's webhook events brought into Bronze: coalesced, read, committed, acknowledged.

An event says that something happened, not what: the object is read as it is now and written by
the same rules as everything else, so order, repetition and age of events do not matter. Events
are acknowledged only after their objects are durable; a crash in between repeats the work and
changes nothing. One type's failure gives only its own events back.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

import structlog

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.write.group_commit import together_or_alone
from ledgerguard_pipeline.change_events import ChangeEvent
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.control.leases.heartbeat import beating
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    LedgerGuardError,
    RightsInDoubt,
    wrap,
)
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.events.event_lease import EventLease
from ledgerguard_pipeline.ingestion.events.event_reader import EntityRead, EventReader
from ledgerguard_pipeline.ingestion.events.targets import ChangedObject, coalesce
from ledgerguard_pipeline.ingestion.progress import current_progress
from ledgerguard_pipeline.ingestion.queries.merges import documents_of_merged
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.transport.stats import CallTotals
from ledgerguard_pipeline.values import LoadId, Mode, RealmId

_log = structlog.get_logger(__name__)


class EventSync(Closing):
    """Events of one company under way; a context manager. Any thread may ask for any entity.

    The first question does the work for all entities: reading them together is what makes it
    cheap. ``load`` then answers from what was done.
    """

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        realm_id: RealmId,
        lease: EventLease,
        *,
        run_id: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        recorder: Recorder,
    ) -> None:
        self._recorder = recorder
        self._client = client
        self._storage = storage
        self._realm_id = realm_id
        self._lease = lease
        self._run_id = run_id
        self._clock = clock
        self._progress = current_progress()
        self._lock = threading.RLock()
        self._stack = ExitStack()
        self._worked = False
        self._unforeseen: Exception | None = None
        self._results: dict[str, EntityResult] = {}
        self._errors: dict[str, LedgerGuardError] = {}
        self._before = client.stats.snapshot()
        self._began = clock.monotonic()
        self._ended: float | None = None
        self._events = [event for event in lease.events if event.realm_id == realm_id]
        self._targets = coalesce(self._events, lease.missed)

    def __enter__(self) -> Self:
        """Hold the events from here on."""
        self._stack.enter_context(beating(self._lease))
        return self

    def close(self) -> None:
        """Let go; events nobody acknowledged come again when their lease ends."""
        if self._ended is None:
            self._ended = self._clock.monotonic()
            self._stack.close()

    @property
    def entities(self) -> tuple[EntityType, ...]:
        """The entity types the events concern."""
        return tuple({target.entity.name: target.entity for target in self._targets}.values())

    def load(self, entity: EntityType) -> EntityResult:
        """What became of one entity's events.

        Raises:
            LedgerGuardError: its objects could not be read or stored; its events come again.
        """
        with self._lock:
            self._work_once()
            if entity.name in self._errors:
                raise self._errors[entity.name]
            return self._results.get(entity.name) or EntityResult(
                self._realm_id,
                entity.name,
                Mode.WEBHOOK,
                # Nothing was read of it, so nothing is known of it either.
                status="skipped",
                note="no event of this run concerns it any more",
            )

    def run(self) -> SyncResult:
        """Act upon every event, whatever fails, and return the whole result."""
        with self._lock:
            self._work_once()
        return self.result()

    @property
    def errors(self) -> tuple[LedgerGuardError, ...]:
        """Why events were given back, one reason per entity."""
        return tuple(self._errors.values())

    def result(self) -> SyncResult:
        """Everything done so far."""
        until = self._ended if self._ended is not None else self._clock.monotonic()
        return SyncResult(
            results=tuple(self._results.values()),
            api_calls=self._used.http_calls,
            metered_calls=self._used.metered_calls,
            duration_seconds=until - self._began,
        )

    def _work_once(self) -> None:
        """Do it at the first question; what was not foreseen then is every later one's answer too."""
        if self._unforeseen is not None:
            raise self._unforeseen
        if self._worked:
            return
        self._worked = True
        try:
            self._work()
        except Exception as error:
            self._unforeseen = error
            raise

    def _work(self) -> None:
        entities = self.entities
        self._progress.started(self._realm_id, tuple(entity.name for entity in entities))
        crashpoint("before_event_read")
        try:
            reads = EventReader(self._client, self._clock, comes_back=self._lease.comes_back).read(
                self._targets
            )
        except Exception as cause:  # noqa: BLE001 - every entity's step reports it
            error = _wrapped(cause)
            reads = {entity.name: EntityRead(entity, error=error) for entity in entities}
        crashpoint("after_event_read")
        for read in reads.values():
            if read.error is not None:
                self._give_back(read, read.error)
        silent = [
            read.entity.name for read in reads.values() if isinstance(read.error, RightsInDoubt)
        ]
        self._recorder.doubted(silent, ())
        whole = [read for read in reads.values() if read.error is None]
        for group, (loads, outcomes) in together_or_alone(whole, self._written, self._give_back):
            self._committed(group, loads, outcomes)
        self._note_end(done=len(self._errors) < len(reads))
        self._recorder.finished()

    def _note_end(self, *, done: bool) -> None:
        """Tell at once what no sync could load either."""
        if done:
            self._recorder.worked(self._used.response_time_ms)
            return
        for error in self._errors.values():
            failure = Failure.of(error)
            if failure.needs_human and failure.company_wide:
                self._recorder.stumbled(failure)
                return

    def _written(self, reads: Sequence[EntityRead]) -> tuple[list[Load], list[LoadOutcome]]:
        for read in reads:
            for named in documents_of_merged(
                self._client, self._storage, self._realm_id, read.entity, read.records,
                clock=self._clock, run_id=self._run_id,
            ):  # fmt: skip
                self._recorder.committed(named, self._storage.commit(named))
        loads = [self._load(read) for read in reads]
        return loads, self._storage.commit(loads)

    def _committed(
        self, reads: Sequence[EntityRead], loads: Sequence[Load], outcomes: Sequence[LoadOutcome]
    ) -> None:
        self._recorder.committed(loads, outcomes)
        crashpoint("before_event_ack")
        try:
            self._acknowledge(reads)
        except LedgerGuardError as error:
            # The rows are safe; the events come again when the lease ends and change nothing.
            for read in reads:
                self._fail(read.entity.name, error)
            return
        crashpoint("after_event_ack")
        for read, outcome in zip(reads, outcomes, strict=True):
            self._finish(read, outcome)

    def _acknowledge(self, reads: Sequence[EntityRead]) -> None:
        """Objects found are done; the others are looked for once more, later."""
        events = self._events_of({read.entity.name for read in reads})
        later = {event.key for read in reads for target in read.missed for event in target.events}
        self._lease.done([event for event in events if event.key not in later])
        if later:
            again = [event for event in events if event.key in later]
            self._lease.postpone(again, "not found at the first look; looked for again")

    def _load(self, read: EntityRead) -> Load:
        return Load(
            load_id=LoadId(uuid.uuid4().hex),
            realm_id=self._realm_id,
            entity=read.entity,
            mode=Mode.WEBHOOK,
            run_id=self._run_id,
            records=read.records,
            rejects=read.rejects,
            fetched_bytes=read.bytes,
            started_at=self._clock.now(),
        )

    def _finish(self, read: EntityRead, outcome: LoadOutcome) -> None:
        name = read.entity.name
        self._progress.committed(self._realm_id, name, outcome.fetched)
        events = len(self._events_of({name}))
        objects = len(self._targets_of(name))
        self._results[name] = EntityResult(
            realm_id=self._realm_id,
            entity=name,
            mode=Mode.WEBHOOK,
            fetched=outcome.fetched,
            written=outcome.written,
            deleted=outcome.deleted,
            updated=outcome.updated,
            renamed=outcome.renamed,
            unchanged=outcome.unchanged,
            stale=outcome.stale,
            quarantined=outcome.quarantined,
            bytes=read.bytes,
            seconds=self._clock.monotonic() - self._began,
            note=read.note or _note(events, objects, len(read.missed)),
            load_ids=(outcome.load_id,),
            new_fields=outcome.new_fields,
        )
        self._progress.finished(self._results[name])

    def _give_back(self, read: EntityRead, cause: Exception) -> None:
        error, name = _wrapped(cause), read.entity.name
        try:
            self._lease.failed(self._events_of({name}), error)
        except LedgerGuardError as problem:
            _log.warning("events_not_released", entity=name, message=str(problem))
        self._fail(name, error)

    def _fail(self, name: str, error: LedgerGuardError) -> None:
        error.realm_id = error.realm_id or self._realm_id
        self._errors[name] = error
        self._results[name] = EntityResult(
            self._realm_id, name, Mode.WEBHOOK, status="failed", error=str(error)
        )
        self._progress.finished(self._results[name])

    def _targets_of(self, name: str) -> list[ChangedObject]:
        return [target for target in self._targets if target.entity.name == name]

    def _events_of(self, names: set[str]) -> list[ChangeEvent]:
        return [
            event
            for event in self._events
            if event.entity_type is not None and event.entity_type.name in names
        ]

    @property
    def _used(self) -> CallTotals:
        """Calls made since these events were taken on."""
        return self._client.stats.snapshot() - self._before


def _note(events: int, objects: int, missed: int) -> str:
    reported = f"{counted(events, 'event')} about {counted(objects, 'object')}"
    return f"{reported}, {missed} of them not found yet" if missed else reported


def _wrapped(cause: Exception) -> LedgerGuardError:
    return wrap(cause, "The events could not be brought into Bronze", "they will be retried")
