"""Which reader reads an entity, wired to the calls it shares with others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.readers.base import EntityReader
from ledgerguard_pipeline.ingestion.readers.bronze_state import StoredCounts
from ledgerguard_pipeline.ingestion.readers.full_load import FullReader, Prefetched
from ledgerguard_pipeline.ingestion.readers.full_load_prefetch import FullLoadPrefetch
from ledgerguard_pipeline.ingestion.readers.incremental import (
    WAYS,
    ChangeReader,
    FallbackReader,
    QueryReader,
    Way,
)
from ledgerguard_pipeline.ingestion.readers.not_offered import AbsentReader
from ledgerguard_pipeline.ingestion.readers.reconcile import Comparing, ReconcileReader
from ledgerguard_pipeline.ingestion.readers.resumed_walks import may_go_on
from ledgerguard_pipeline.ingestion.readers.shared_changes import SharedChanges
from ledgerguard_pipeline.ingestion.readers.stopped import StoppedReader
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import Mode, RealmId


class EntityReaders:
    """Builds the readers of one company's sync; reading starts in the background at once."""

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

    def bringing_up_to_date(self, plans: Sequence[EntityPlan]) -> list[EntityReader]:
        """A reader per plan."""
        full = [plan.entity for plan in plans if plan.mode is Mode.FULL and plan.offered]
        prefetch = FullLoadPrefetch(self._client, full, self._pool) if full else None
        shared = SharedChanges(self._client, plans, self._pool, known=self._known)
        readers = [self._reader_of(plan, prefetch, shared) for plan in plans]
        if prefetch is not None:
            prefetch.begin()
        shared.begin()
        return readers

    def reconciling(self, plans: Sequence[EntityPlan]) -> list[EntityReader]:
        """A reader per plan that compares counts first and reads only what differs."""
        realm = self._realm_id
        held = self._storage.company_counts.of(realm)
        offered = [plan for plan in plans if plan.offered]
        comparing = Comparing(self._client, offered, held, self._pool, known=self._known)
        readers: list[EntityReader] = []
        for plan in plans:
            queries = self._queries(plan)
            if not plan.offered:
                readers.append(AbsentReader(plan, queries))
                continue
            readers.append(
                ReconcileReader(
                    plan,
                    queries,
                    self._stored,
                    realm,
                    comparing.futures[plan.entity.name],
                    repairs=self,
                )
            )
        comparing.begin()
        return readers

    def stopped(self, plans: Sequence[tuple[EntityPlan, Doubt]]) -> list[EntityReader]:
        """A reader per type that is left alone for now; it makes no call."""
        return [StoppedReader(plan, self._queries(plan), doubt) for plan, doubt in plans]

    def _queries(self, plan: EntityPlan) -> EntityQueries:
        return EntityQueries(self._client, plan.entity, clock=self._clock)

    def _reader_of(
        self, plan: EntityPlan, prefetch: FullLoadPrefetch | None, shared: SharedChanges
    ) -> EntityReader:
        queries = self._queries(plan)
        if not plan.offered:
            return AbsentReader(plan, queries)
        if prefetch is not None and plan.mode is Mode.FULL:
            return self._full(plan, queries, prefetch.futures[plan.entity.name])
        return self.changes(plan, queries, shared)

    def changes(
        self, plan: EntityPlan, queries: EntityQueries, shared: SharedChanges
    ) -> EntityReader:
        """What an ordinary sync reads of a type, with everything it can fall back on."""

        def reader_by(way: Mode) -> Way:
            if way is Mode.CDC:
                return ChangeReader(plan, queries, shared.changes[plan.entity.name])
            if way is Mode.QUERY:
                return self._query(plan, queries, shared)
            return self.whole(plan, queries, queries.count())

        return FallbackReader(plan, queries, WAYS[plan.mode], reader_by)

    def whole(self, plan: EntityPlan, queries: EntityQueries, count: int | None) -> FullReader:
        """All rows of a type, of which Intuit counted so many."""
        prefetched: Future[Prefetched] = Future()
        prefetched.set_result(Prefetched(count, None, None))
        return self._full(plan, queries, prefetched)

    def _query(
        self, plan: EntityPlan, queries: EntityQueries, shared: SharedChanges
    ) -> QueryReader:
        if plan.mode is Mode.CDC:  # a query shows no deletion, and was not to be needed
            plan = replace(plan, count_after=True)
        return QueryReader(
            plan,
            queries,
            self._stored,
            self._pool,
            self._realm_id,
            first=shared.pages.get(plan.entity.name),
            count_after=plan.count_after and plan.entity.countable,
        )

    def _full(
        self, plan: EntityPlan, queries: EntityQueries, prefetched: Future[Prefetched]
    ) -> FullReader:
        realm = self._realm_id
        walk = self._stored.walk(realm, plan.entity)
        goes_on = (
            walk is not None
            and self._clock.now() - walk.started_at < CDC_REACH
            and may_go_on(walk, plan.entity, self._client.custom_fields)
        )
        return FullReader(
            self._client,
            plan,
            queries,
            self._stored,
            self._pool,
            realm,
            prefetched=prefetched,
            resume=walk if goes_on else None,
            track_seen=self._stored.stored(realm, plan.entity) > 0,
        )
