"""One company's sync: calls shared between entities, commits shared where they are small.

Reading runs ahead in the background for all entities at once; committing happens in the thread
that asks for an entity, so a Dagster step waits for its own entity only. One entity's failure
never reaches another. Entities whose data is complete are committed together in one short
transaction of Bronze: an idle sync of forty entities opens the file once.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.companies import CompanyStore
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    BronzeBusy,
    IngestionError,
    LedgerGuardError,
    WrongEnvironment,
)
from ledgerguard_pipeline.ingestion.feed import Feed, Portion
from ledgerguard_pipeline.ingestion.full import FullFeed, Opening
from ledgerguard_pipeline.ingestion.incremental import ChangeFeed, QueryFeed
from ledgerguard_pipeline.ingestion.opening import Openings
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, EntityPlan, plan_entities
from ledgerguard_pipeline.ingestion.progress import current_progress
from ledgerguard_pipeline.ingestion.reader import EntityReader
from ledgerguard_pipeline.ingestion.reconcile import Comparing, ReconcileFeed
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.ingestion.stored import StoredCounts
from ledgerguard_pipeline.ingestion.sweep import Sweep
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import LoadId, Mode

GROUP_ROWS = 10_000
"""Rows committed together at most, so that the file is held only for a moment."""


@dataclass(slots=True)
class _Totals:
    fetched: int = 0
    written: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    bytes: int = 0
    portion: Portion | None = None
    load_ids: list[str] = field(default_factory=list)
    new_fields: set[str] = field(default_factory=set)

    def add(self, portion: Portion, outcome: LoadOutcome) -> None:
        self.fetched += outcome.fetched
        self.written += outcome.written
        self.deleted += outcome.deleted
        self.unchanged += outcome.unchanged
        self.stale += outcome.stale
        self.quarantined += outcome.quarantined
        self.bytes += portion.bytes
        self.load_ids.append(outcome.load_id)
        self.new_fields.update(outcome.new_fields)
        if portion.watermark is not None:
            self.portion = portion


@dataclass(slots=True)
class _Job:
    """One entity's feed and what became of it."""

    feed: Feed
    portions: Iterator[Portion]
    pending: Portion | None = None
    started: float = 0.0
    result: EntityResult | None = None
    error: LedgerGuardError | None = None
    totals: _Totals = field(default_factory=_Totals)


class CompanySync:
    """A sync under way. Use it as a context manager and call ``load`` per entity, in any order."""

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        request: SyncRequest,
        *,
        clock: Clock = SYSTEM_CLOCK,
        companies: CompanyStore | None = None,
    ) -> None:
        self._companies = companies
        self.request = request
        self._client = client
        self._storage = storage
        self._clock = clock
        self._progress = current_progress()
        self._stored = StoredCounts(storage, request.entities)
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._began = clock.monotonic()
        self._ended: float | None = None
        self._before = client.stats.snapshot()
        # More threads than permits would only poll the store for permits this process holds.
        self._pool = ThreadPoolExecutor(
            client.max_connections, thread_name_prefix=f"qbo-{request.realm_id}"
        )

    def __enter__(self) -> Self:
        """Plan and start reading in the background.

        Raises:
            BronzeBusy: another process holds the Bronze file.
            WrongEnvironment: the Bronze file belongs to the other environment.
        """
        try:
            self._open()
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading ahead; what was committed stays, what was not is read again next time."""
        if self._ended is not None:
            return
        self._ended = self._clock.monotonic()
        for job in self._jobs.values():
            job.feed.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._companies is not None and any(
            job.result is not None and job.error is None for job in self._jobs.values()
        ):
            self._companies.heartbeat(self.request.realm_id, self._response_time_ms())

    def load(self, entity: EntityType) -> EntityResult:
        """Bring one entity up to date and return what happened; a second call returns the same.

        Raises:
            LedgerGuardError: this entity failed; the others are untouched.
        """
        with self._lock:
            job = self._jobs[entity.name]
            if job.result is None:
                self._finish(job)
            if job.error is not None:
                raise job.error
            if job.result is None:
                raise IngestionError("The load ended without a result.", entity=entity.name)
            return job.result

    def run(self) -> SyncResult:
        """Load every entity of the request, whatever fails, and return the whole result."""
        for entity in self.request.entities:
            try:
                self.load(entity)
            except LedgerGuardError:
                continue
        return self.result()

    def result(self) -> SyncResult:
        """Everything done so far."""
        now = self._client.stats.snapshot()
        until = self._ended if self._ended is not None else self._clock.monotonic()
        return SyncResult(
            results=tuple(job.result for job in self._jobs.values() if job.result is not None),
            api_calls=now.http_calls - self._before.http_calls,
            metered_calls=now.metered_calls - self._before.metered_calls,
            duration_seconds=until - self._began,
        )

    def _response_time_ms(self) -> float:
        now = self._client.stats.snapshot()
        calls = now.http_calls - self._before.http_calls
        return (now.seconds - self._before.seconds) / calls * 1000 if calls else 0.0

    def _open(self) -> None:
        request = self.request
        plans = plan_entities(
            request, self._storage.watermarks(request.realm_id), self._clock.now()
        )
        self._progress.started(request.realm_id, tuple(entity.name for entity in request.entities))
        if request.reconcile:
            self._compare(plans)
            return
        full = [plan for plan in plans if plan.mode is Mode.FULL]
        openings = Openings(self._client, [plan.entity for plan in full], self._pool)
        sweep = Sweep(self._client, plans, self._pool)
        for plan in plans:
            feed = self._feed(plan, openings, sweep)
            self._jobs[plan.entity.name] = _Job(feed, feed.portions())
        openings.begin()
        sweep.begin()

    def _compare(self, plans: Sequence[EntityPlan]) -> None:
        realm = self.request.realm_id
        held, quarantined = self._storage.counts(realm), self._storage.quarantined(realm)
        comparing = Comparing(self._client, plans, held, quarantined, self._pool)
        for plan in plans:
            reader = EntityReader(self._client, plan.entity, clock=self._clock)
            feed = ReconcileFeed(
                plan,
                reader,
                self._stored,
                realm,
                comparing.futures[plan.entity.name],
                catch_up=partial(self._changes, plan, reader),
                walk=partial(self._whole, plan, reader),
            )
            self._jobs[plan.entity.name] = _Job(feed, feed.portions())
        comparing.begin()

    def _feed(self, plan: EntityPlan, openings: Openings, sweep: Sweep) -> Feed:
        reader = EntityReader(self._client, plan.entity, clock=self._clock)
        if plan.mode is Mode.FULL:
            return self._full(plan, reader, openings.futures[plan.entity.name])
        return self._changes(plan, reader, sweep)

    def _changes(self, plan: EntityPlan, reader: EntityReader, sweep: Sweep) -> Feed:
        if plan.mode is Mode.QUERY:
            return self._query(plan, reader, sweep)

        def by_query() -> QueryFeed:
            return self._query(replace(plan, count_after=True), reader, sweep)

        return ChangeFeed(plan, reader, sweep.changes[plan.entity.name], by_query)

    def _query(self, plan: EntityPlan, reader: EntityReader, sweep: Sweep) -> QueryFeed:
        return QueryFeed(
            plan,
            reader,
            self._stored,
            self._pool,
            self.request.realm_id,
            first=sweep.pages.get(plan.entity.name),
            escalate=lambda: self._whole(plan, reader, reader.count()),
            count_after=plan.count_after and plan.entity.countable,
        )

    def _whole(self, plan: EntityPlan, reader: EntityReader, count: int | None) -> FullFeed:
        opening: Future[Opening] = Future()
        opening.set_result(Opening(count, None, None))
        return self._full(plan, reader, opening)

    def _full(self, plan: EntityPlan, reader: EntityReader, opening: Future[Opening]) -> FullFeed:
        realm = self.request.realm_id
        walk = self._stored.walk(realm, plan.entity)
        fresh = (
            walk is not None and not walk.done and self._clock.now() - walk.started_at < CDC_REACH
        )
        return FullFeed(
            self._client,
            plan,
            reader,
            self._stored,
            self._pool,
            realm,
            opening=opening,
            resume=walk if fresh else None,
            track_seen=self._stored.stored(realm, plan.entity) > 0,
        )

    def _finish(self, job: _Job) -> None:
        job.started = self._clock.monotonic()
        job.feed.activate()
        try:
            if job.pending is None and not job.totals.load_ids:
                job.pending = next(job.portions, None)
            if job.pending is not None:
                self._commit_together(job, job.pending)
            for portion in job.portions:
                self._commit([(job, portion)])
        except Exception as cause:  # noqa: BLE001  # whatever it is stays this entity's failure
            self._fail(job, cause)
        else:
            job.result = self._result(job)
            self._progress.finished(job.result)
        finally:
            job.feed.close()

    def _fail(self, job: _Job, cause: Exception) -> None:
        error = _typed(cause)
        error.realm_id = error.realm_id or self.request.realm_id
        error.entity = job.feed.plan.entity.name
        job.error = error
        job.result = replace(self._result(job), status="failed", error=str(error))
        self._progress.finished(job.result)

    def _commit_together(self, job: _Job, portion: Portion) -> None:
        """Commit an entity's first portion and those of all others that are complete already."""
        group = [(job, portion)]
        rows = len(portion.records)
        for other in self._jobs.values():
            if other is job or other.result is not None or other.totals.load_ids:
                continue
            if other.pending is None and other.feed.ready:
                try:
                    other.pending = next(other.portions, None)
                except Exception as cause:  # noqa: BLE001  # the other entity's failure
                    self._fail(other, cause)
            if other.pending is not None and rows + len(other.pending.records) <= GROUP_ROWS:
                rows += len(other.pending.records)
                group.append((other, other.pending))
        try:
            self._commit(group)
        except (BronzeBusy, WrongEnvironment):
            raise
        except Exception:
            # One entity's rows may be the reason: the others keep theirs for their own turn.
            if len(group) == 1:
                raise
            self._commit([(job, portion)])

    def _commit(self, group: Sequence[tuple[_Job, Portion]]) -> None:
        realm = self.request.realm_id
        loads = [self._load(job, portion) for job, portion in group]
        for job, portion in group:
            self._progress.page(
                realm, job.feed.plan.entity.name, len(portion.records), job.feed.tally.expected
            )
        outcomes = self._storage.commit(loads)
        if any(outcome.written or outcome.deleted for outcome in outcomes):
            self._stored.forget()
        for (job, portion), outcome in zip(group, outcomes, strict=True):
            job.totals.add(portion, outcome)
            job.pending = None
            self._progress.committed(realm, job.feed.plan.entity.name, outcome.fetched)
        self._progress.calls(
            realm, self._client.stats.snapshot().http_calls - self._before.http_calls
        )

    def _load(self, job: _Job, portion: Portion) -> Load:
        return Load(
            load_id=LoadId(uuid.uuid4().hex),
            realm_id=self.request.realm_id,
            entity=job.feed.plan.entity,
            mode=job.feed.mode,
            run_id=self.request.run_id,
            records=portion.records,
            rejects=portion.rejects,
            watermark=portion.watermark,
            walk=portion.walk,
            api_calls=job.feed.reader.calls,
            fetched_bytes=portion.bytes,
            started_at=self._clock.now(),
        )

    def _result(self, job: _Job) -> EntityResult:
        totals, feed = job.totals, job.feed
        return EntityResult(
            realm_id=self.request.realm_id,
            entity=feed.plan.entity.name,
            mode=feed.mode,
            fetched=totals.fetched,
            written=totals.written,
            deleted=totals.deleted,
            unchanged=totals.unchanged,
            stale=totals.stale,
            quarantined=totals.quarantined,
            api_calls=feed.reader.calls,
            bytes=totals.bytes,
            seconds=self._clock.monotonic() - job.started,
            watermark=totals.portion.watermark if totals.portion else None,
            expected=feed.tally.expected,
            stored=feed.tally.stored,
            note=feed.tally.note,
            load_ids=tuple(totals.load_ids),
            new_fields=tuple(sorted(totals.new_fields)),
            finding=feed.tally.finding,
        )


def _typed(cause: Exception) -> LedgerGuardError:
    if isinstance(cause, LedgerGuardError):
        return cause
    error = IngestionError(
        f"The load failed unexpectedly ({type(cause).__name__}: {cause}). Nothing half-written "
        "remains; the next sync tries again."
    )
    error.__cause__ = cause
    return error
