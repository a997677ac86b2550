"""Which feed reads an entity, wired to the calls it shares with others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityReader
from ledgerguard_pipeline.ingestion.readers.base import Feed
from ledgerguard_pipeline.ingestion.readers.bronze_state import StoredCounts
from ledgerguard_pipeline.ingestion.readers.full_load import FullFeed, Opening
from ledgerguard_pipeline.ingestion.readers.full_load_prefetch import Openings
from ledgerguard_pipeline.ingestion.readers.incremental import ChangeFeed, QueryFeed
from ledgerguard_pipeline.ingestion.readers.not_offered import AbsentFeed
from ledgerguard_pipeline.ingestion.readers.reconcile import Comparing, ReconcileFeed
from ledgerguard_pipeline.ingestion.readers.shared_changes import Sweep
from ledgerguard_pipeline.ingestion.readers.stopped import StoppedFeed
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import Mode, RealmId


class Feeds:
    """Builds the feeds of one company's sync; reading starts in the background at once."""

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        stored: StoredCounts,
        pool: Executor,
        realm_id: RealmId,
        *,
        clock: Clock,
    ) -> None:
        self._client = client
        self._storage = storage
        self._stored = stored
        self._pool = pool
        self._realm_id = realm_id
        self._clock = clock
        self._known = partial(stored.versions, realm_id)

    def bringing_up_to_date(self, plans: Sequence[EntityPlan]) -> list[Feed]:
        """A feed per plan."""
        full = [plan.entity for plan in plans if plan.mode is Mode.FULL and plan.offered]
        openings = Openings(self._client, full, self._pool)
        sweep = Sweep(self._client, plans, self._pool, known=self._known)
        feeds = [self._feed(plan, openings, sweep) for plan in plans]
        openings.begin()
        sweep.begin()
        return feeds

    def reconciling(self, plans: Sequence[EntityPlan]) -> list[Feed]:
        """A feed per plan that compares counts first and reads only what differs."""
        realm = self._realm_id
        held, quarantined = self._storage.counts(realm), self._storage.quarantined(realm)
        offered = [plan for plan in plans if plan.offered]
        comparing = Comparing(
            self._client, offered, held, quarantined, self._pool, known=self._known
        )
        feeds: list[Feed] = []
        for plan in plans:
            reader = self._reader(plan)
            if not plan.offered:
                feeds.append(AbsentFeed(plan, reader))
                continue
            feeds.append(
                ReconcileFeed(
                    plan,
                    reader,
                    self._stored,
                    realm,
                    comparing.futures[plan.entity.name],
                    catch_up=partial(self._changes, plan, reader),
                    walk=partial(self._whole, plan, reader),
                )
            )
        comparing.begin()
        return feeds

    def stopped(self, plans: Sequence[tuple[EntityPlan, Doubt]]) -> list[Feed]:
        """A feed per type that is left alone for now; it makes no call."""
        return [StoppedFeed(plan, self._reader(plan), doubt) for plan, doubt in plans]

    def _reader(self, plan: EntityPlan) -> EntityReader:
        return EntityReader(self._client, plan.entity, clock=self._clock)

    def _feed(self, plan: EntityPlan, openings: Openings, sweep: Sweep) -> Feed:
        reader = self._reader(plan)
        if not plan.offered:
            return AbsentFeed(plan, reader)
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
            self._realm_id,
            first=sweep.pages.get(plan.entity.name),
            escalate=lambda: self._whole(plan, reader, reader.count()),
            count_after=plan.count_after and plan.entity.countable,
        )

    def _whole(self, plan: EntityPlan, reader: EntityReader, count: int | None) -> FullFeed:
        opening: Future[Opening] = Future()
        opening.set_result(Opening(count, None, None))
        return self._full(plan, reader, opening)

    def _full(self, plan: EntityPlan, reader: EntityReader, opening: Future[Opening]) -> FullFeed:
        realm = self._realm_id
        walk = self._stored.walk(realm, plan.entity)
        fresh = walk is not None and self._clock.now() - walk.started_at < CDC_REACH
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
