"""One company's sync: calls shared between entities, commits shared where they are small.

Reading runs ahead in the background for all entities at once; committing happens in the thread
that asks for an entity, so a Dagster step waits for its own entity only. One entity's failure
never reaches another. Entities whose data is complete are committed together in one short
transaction of Bronze: an idle sync of forty entities opens the file once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Self

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.write.group_commit import together_or_alone
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock, Stop
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    AccessDenied,
    BronzeBusy,
    LedgerGuardError,
)
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.budget_policy import affordable, skipped_result
from ledgerguard_pipeline.ingestion.company_sync.entity_load import Ending, EntityLoad
from ledgerguard_pipeline.ingestion.company_sync.healing import Healing, heal
from ledgerguard_pipeline.ingestion.company_sync.quarantine_again import read_quarantined_again
from ledgerguard_pipeline.ingestion.company_sync.refill import Refill
from ledgerguard_pipeline.ingestion.company_sync.resting import rested
from ledgerguard_pipeline.ingestion.plan import EntityPlan, plan_entities
from ledgerguard_pipeline.ingestion.progress import current_progress
from ledgerguard_pipeline.ingestion.queries.merges import documents_of_merged
from ledgerguard_pipeline.ingestion.queries.whole_objects import completed
from ledgerguard_pipeline.ingestion.readers.base import Chunk
from ledgerguard_pipeline.ingestion.readers.bronze_state import StoredCounts
from ledgerguard_pipeline.ingestion.readers.factory import EntityReaders
from ledgerguard_pipeline.ingestion.readers.not_offered import as_offered
from ledgerguard_pipeline.ingestion.readers.stopped import SortedPlans, sort_out
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.transport.stats import CallTotals

GROUP_ROWS = 10_000
"""Rows committed together at most, so that the file is held only for a moment."""
SMALL_ROWS = 2_000
"""Rows read ahead at most, but for the chunk that reaches it, before the first commit."""


class CompanySync(Closing):
    """A sync under way. Use it as a context manager and call ``load`` per entity, in any order."""

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        request: SyncRequest,
        *,
        clock: Clock = SYSTEM_CLOCK,
        recorder: Recorder,
        watermarks: Mapping[str, datetime] | None = None,
    ) -> None:
        """``watermarks`` saves reading them where those of many companies were read at once."""
        self._watermarks = watermarks
        self._recorder = recorder
        self._skipped: dict[str, EntityResult] = {}
        self._older: frozenset[str] = frozenset()
        """Types of which Bronze held more before an older copy of it was restored."""
        self._again: frozenset[str] = frozenset()
        """Types that are read in full because their answers went silent before."""
        self.request = request
        self._client = client
        self._refill = Refill(client, remembers=recorder.remembers)
        self._storage = storage
        self._clock = clock
        self._progress = current_progress()
        self._stored = StoredCounts(storage, request.entities)
        self._lock = threading.RLock()
        self._loads: dict[str, EntityLoad] = {}
        self._healing: Healing | None = None
        self._began = clock.monotonic()
        self._ended: float | None = None
        self._before = client.stats.snapshot()
        self._waiting = ExitStack()
        # More threads than permits would only poll the store for permits this process holds.
        self._stop = Stop()
        self._pool = ThreadPoolExecutor(
            client.max_connections, f"qbo-{request.realm_id}", self._stop.bind
        )

    def __enter__(self) -> Self:
        """Plan and start reading in the background.

        Raises:
            BronzeBusy: another process holds the Bronze file.
            WrongEnvironment: the Bronze file belongs to the other environment.
        """
        self._waiting.enter_context(self._storage.waiting_once())
        try:
            self._open()
        except BaseException as error:
            self._waiting.close()
            self._stop.set()
            self._pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, LedgerGuardError):
                failure = Failure.of(error)
                self._recorder.stumbled(
                    replace(failure, text=f"The last sync could not begin. {error}")
                )
            raise
        return self

    def close(self) -> None:
        """Stop reading ahead; committed rows stay, the others are read again next time.

        Calls under way end by themselves, and are not repeated.
        """
        if self._ended is not None:
            return
        self._ended = self._clock.monotonic()
        self._stop.set()
        for load in self._loads.values():
            load.reader.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._worked:
            clean = not self._used.failed_calls and not self.errors
            self._recorder.worked(self._used.response_time_ms, recovered=clean)
        self._record_end()
        self._recorder.finished()
        self._waiting.close()

    def load(self, entity: EntityType) -> EntityResult:
        """Bring one entity up to date and return what happened; a second call returns the same.

        Raises:
            LedgerGuardError: this entity failed; the others are untouched.
        """
        with self._lock:
            skipped = self._skipped.get(entity.name)
            if skipped is not None:
                return skipped
            load = self._loads[entity.name]
            result = load.result or self._finish(load)
            if load.error is not None:
                raise load.error
            return result

    def quiet(self) -> bool:
        """Whether the first answers bring nothing; they are waited for, and nothing is committed."""
        with self._lock:
            for load in [each for each in self._loads.values() if each.unread]:
                self._read_ahead(load)
            return not self._skipped and all(load.empty for load in self._loads.values())

    def run(self) -> SyncResult:
        """Load every entity of the request, whatever fails, and return the whole result.

        All of a small company is read before any of it is committed, so that it is one commit:
        decision 98 in docs/decisions.md.
        """
        with self._lock:
            rows = 0
            for load in self._loads.values():
                if rows < SMALL_ROWS and load.pending is None and load.untouched:
                    self._read_ahead(load)
                    rows += load.pending_rows
        for entity in self.request.entities:
            try:
                self.load(entity)
            except LedgerGuardError:
                continue
        return self.result()

    @property
    def errors(self) -> tuple[LedgerGuardError, ...]:
        """Why entities failed, in the order of the request."""
        return tuple(load.error for load in self._loads.values() if load.error is not None)

    def result(self) -> SyncResult:
        """Everything done so far."""
        until = self._ended if self._ended is not None else self._clock.monotonic()
        done = [load.result for load in self._loads.values() if load.result is not None]
        return SyncResult(
            results=(*done, *self._skipped.values()),
            api_calls=self._used.http_calls,
            metered_calls=self._used.metered_calls,
            duration_seconds=until - self._began,
            misconfigured=next((error for error in self.errors if error.exit_code == 2), None),
        )

    @property
    def _used(self) -> CallTotals:
        """Calls made since this sync was prepared."""
        return self._client.stats.snapshot() - self._before

    @property
    def _worked(self) -> bool:
        """Whether Intuit answered for any entity."""
        loads = self._loads.values()
        return self._used.http_calls > 0 and any(
            load.result is not None and load.error is None for load in loads
        )

    def _record_end(self) -> None:
        loads = [*self._loads.values()]
        summary = Ending(self.request, loads, self._failure)
        self._recorder.doubted(*summary.doubts(self._again))
        self._refill.ended([load for load in loads if load.error is None])
        summary.record(self._recorder, self._stored.last)

    def _sort_out(self, plans: Sequence[EntityPlan]) -> SortedPlans:
        doubts = self._recorder.doubts()
        if not doubts:
            return SortedPlans(list(plans), [], [])
        connected_at, now = self._recorder.connected_at(), self._clock.now()
        return sort_out(plans, doubts, self.request, connected_at=connected_at, now=now)

    def _failure(self, error: LedgerGuardError) -> Failure:
        """Access that is refused while other types were loaded is a matter of that type."""
        return Failure.of(error, alone=isinstance(error, AccessDenied) and self._worked)

    def _open(self) -> None:
        request = self.request
        try:
            healing = self._storage.healing(request.realm_id)
            if request.reconcile or not healing.done():
                self._healing = heal(
                    self._client,
                    healing,
                    request.realm_id,
                    clock=self._clock,
                    run_id=request.run_id,
                )
        except BronzeBusy:
            # Every commit meets the same holder and names it; the next sync heals.
            self._healing = None
        if self._healing is not None:
            self._recorder.partial(self._healing.left)
        watermarks = self._watermarks
        if watermarks is None:
            watermarks = self._watermarks = self._storage.watermarks(request.realm_id)
        self._recorder.opened(watermarks, self._restored)
        if request.reconcile:
            self._recorder.committed(
                *read_quarantined_again(
                    self._client,
                    self._storage,
                    request.realm_id,
                    clock=self._clock,
                    run_id=request.run_id,
                )
            )
        planned = plan_entities(request, watermarks, self._clock.now())
        paid, skipped = affordable(planned, request, self._recorder, frozenset(watermarks))
        plans = as_offered(paid, self._client.capabilities, everything=request.full)
        self._skipped = {
            plan.entity.name: skipped_result(request, plan, why) for plan, why in skipped
        }
        self._progress.started(request.realm_id, tuple(entity.name for entity in request.entities))
        readers = EntityReaders(
            self._client,
            self._storage,
            self._stored,
            self._pool,
            request.realm_id,
            clock=self._clock,
        )
        chosen = readers.reconciling if request.reconcile else readers.bringing_up_to_date
        sorted_out = self._sort_out(self._refill.planned(plans, request))
        self._again = frozenset(plan.entity.name for plan in sorted_out.again)
        begun = [*chosen(sorted_out.usual), *readers.stopped(sorted_out.stopped)]
        if sorted_out.again:
            begun += readers.bringing_up_to_date(sorted_out.again)
        for reader in begun:
            self._loads[reader.plan.entity.name] = EntityLoad(
                request.realm_id, reader, reader.chunks()
            )
        for result in self._skipped.values():
            self._progress.finished(result)

    def _finish(self, load: EntityLoad) -> EntityResult:
        load.started = self._clock.monotonic()
        load.reader.activate()
        try:
            if load.pending is None and load.untouched:
                load.pending = self._next(load)
            if load.pending is not None:
                self._commit_together(load, load.pending)
            while (chunk := self._next(load)) is not None:
                group = [(load, chunk)]
                self._committed(group, *self._written(group))
        except Exception as cause:  # noqa: BLE001  # whatever it is stays this entity's failure
            result = load.fail(cause, self._clock.monotonic())
        else:
            result = load.end(self._clock.monotonic(), self._healed(load.name))
        finally:
            load.reader.close()
        self._progress.finished(result)
        return result

    def _restored(self, older: Mapping[str, datetime | None]) -> None:
        self._older = frozenset(older)
        self._refill.doubt(older)

    def _healed(self, entity: str) -> str | None:
        """Repairs to an entity type before it was synced, and that its rows were an older copy."""
        healed = None if self._healing is None else self._healing.done.get(entity)
        notes = [] if healed is None else [str(healed)]
        if entity in self._older:
            notes.append("Bronze was an older copy")
        return "; ".join(notes) or None

    def _commit_together(self, load: EntityLoad, chunk: Chunk) -> None:
        """Commit an entity's first chunk and those of all others that are complete already."""
        group = [(load, chunk)]
        rows = len(chunk.records)
        for other in self._loads.values():
            if other is load or not other.untouched:
                continue
            if other.pending is None and other.reader.ready:
                self._read_ahead(other)
            if other.pending is not None and rows + len(other.pending.records) <= GROUP_ROWS:
                rows += len(other.pending.records)
                group.append((other, other.pending))
        sweeping = self.request.quiet and not self.request.reconcile
        if sweeping and rested(group, self._watermarks or {}, self._clock.now()):
            return

        def failed(member: tuple[EntityLoad, Chunk], cause: Exception) -> None:
            if member[0] is load:
                raise cause
            self._failed(member[0], cause)

        for members, (loads, outcomes) in together_or_alone(group, self._written, failed):
            self._committed(members, loads, outcomes)

    def _next(self, load: EntityLoad) -> Chunk | None:
        """The next chunk, with every row that is not whole read again, by query."""
        chunk = next(load.chunks, None)
        if chunk is not None:
            self._follow_merges(load.reader.plan.entity, chunk)
        if chunk is None or all(record.whole for record in chunk.records):
            return chunk
        known = partial(self._stored.versions, self.request.realm_id)
        settled = completed(self._client, load.reader.plan.entity, chunk.records, known)
        return replace(chunk, records=settled.records, rejects=[*chunk.rejects, *settled.rejects])

    def _follow_merges(self, entity: EntityType, chunk: Chunk) -> None:
        """Commit what names objects that ended in a merge before their end is committed."""
        realm, run_id = self.request.realm_id, self.request.run_id
        for loads in documents_of_merged(
            self._client, self._storage, realm, entity, chunk.records,
            clock=self._clock, run_id=run_id,
        ):  # fmt: skip
            outcomes = self._storage.commit(loads)
            self._recorder.committed(loads, outcomes)
            self._stored.committed(outcomes)

    def _read_ahead(self, load: EntityLoad) -> None:
        try:
            load.pending = self._next(load)
        except Exception as cause:  # noqa: BLE001  # the other entity's failure
            self._failed(load, cause)

    def _failed(self, load: EntityLoad, cause: Exception) -> None:
        load.pending = None
        self._progress.finished(load.fail(cause, self._clock.monotonic()))

    def _written(
        self, group: Sequence[tuple[EntityLoad, Chunk]]
    ) -> tuple[list[Load], list[LoadOutcome]]:
        realm = self.request.realm_id
        for load, chunk in group:
            expected = load.reader.comparison.expected
            self._progress.page(realm, load.name, len(chunk.records), expected)
        loads = [load.as_written(chunk, self.request, self._clock.now()) for load, chunk in group]
        return loads, self._storage.commit(loads)

    def _committed(
        self,
        group: Sequence[tuple[EntityLoad, Chunk]],
        loads: Sequence[Load],
        outcomes: Sequence[LoadOutcome],
    ) -> None:
        realm = self.request.realm_id
        self._recorder.committed(loads, outcomes)
        self._stored.committed(outcomes)
        for (load, chunk), outcome in zip(group, outcomes, strict=True):
            load.committed(chunk, outcome)
            self._progress.committed(realm, load.name, outcome.fetched)
        self._progress.calls(realm, self._used.http_calls)
