"""Read all rows of one type: the first load, a forced one, and the repair when counts differ.

A type that fits into one page is one answer of the server and therefore consistent in itself.
A longer one is walked (see ``qbo/paging/page_walk.py``) and then followed by the changes since before the walk
began. If Bronze already held rows, the ids the walk did not meet are asked for by name; those
that no longer exist become tombstones, which is how deletions older than change data capture
are found. An object that is merely not shown is no deletion yet (see ``absence``).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from ledgerguard_pipeline.bronze.loads import Walk, WalkStep
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import Kind
from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    IngestionError,
    NoQuery,
    QBOAPIError,
    RequestRejected,
    RightsInDoubt,
)
from ledgerguard_pipeline.ingestion.plan import OVERLAP, EntityPlan
from ledgerguard_pipeline.ingestion.queries.cdc import EntityChanges, read_changes
from ledgerguard_pipeline.ingestion.queries.entity_queries import (
    EntityQueries,
    LiveRecords,
    ids_of,
)
from ledgerguard_pipeline.ingestion.queries.inactive_rows import InactiveRows, inactive_rows
from ledgerguard_pipeline.ingestion.readers.base import BronzeState, Chunk, CountComparison
from ledgerguard_pipeline.ingestion.readers.not_offered import not_offered
from ledgerguard_pipeline.ingestion.readers.resumed_walks import ReadSoFar, begins_behind
from ledgerguard_pipeline.ingestion.readers.without_query import WithoutQuery
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.paging.page_walk import PageWalk
from ledgerguard_pipeline.values import (
    Mode,
    RealmId,
    Record,
    Reject,
    Source,
)

CHUNK_PAGES = 8
CHUNK_BYTES = 16_000_000
"""Pages and bytes per commit, whichever comes first: a killed walk repeats at most these, and
large records do not make large transactions."""

AHEAD_WAITING = 3
AHEAD_ACTIVE = 8
"""Pages fetched ahead before and while the entity is being committed; bounds memory."""


@dataclass(frozen=True, slots=True)
class Prefetched:
    """The facts known before an entity is walked: Intuit's count and perhaps its only page.

    ``calls`` are the calls that showed it, shared with other entities. ``inactive`` resolves to
    what a batch answered about the inactive rows of a type whose other queries may hide them.
    """

    count: int | None
    page: Page | None
    time: datetime | None
    calls: int = 0
    inactive: Future[Page | QBOAPIError | None] | None = None


class FullReader:
    """A full read of one type. ``prefetched`` resolves when its first answers are there."""

    gave_up = False

    def __init__(
        self,
        client: QBOClient,
        plan: EntityPlan,
        queries: EntityQueries,
        bronze: BronzeState,
        pool: Executor,
        realm_id: RealmId,
        *,
        prefetched: Future[Prefetched],
        resume: Walk | None,
        track_seen: bool,
    ) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison()
        self._client = client
        self._bronze = bronze
        self._pool = pool
        self._realm_id = realm_id
        self._prefetched = prefetched
        self._resume = resume
        self._track_seen = track_seen
        self._so_far = ReadSoFar(plan.entity, client.custom_fields, resume)
        self._starting = threading.Lock()
        self._pager = queries.snapshot()
        self._walk: PageWalk | None = None
        self._active = False
        prefetched.add_done_callback(self._fetch_ahead)

    @property
    def mode(self) -> Mode:
        return Mode.FULL

    @property
    def ready(self) -> bool:
        if not self._prefetched.done() or self._prefetched.exception() is not None:
            return False
        return self._whole(self._prefetched.result()) is not None

    @property
    def _held(self) -> int:
        return self._bronze.stored(self._realm_id, self.plan.entity)

    def activate(self) -> None:
        self._active = True
        if self._walk is not None:
            self._walk.ahead = AHEAD_ACTIVE

    def close(self) -> None:
        if self._walk is not None:
            self._walk.close()

    def chunks(self) -> Iterator[Chunk]:
        prefetched = Prefetched(None, None, None)
        try:
            if self.queries.lacks(Capability.QUERY):
                raise self.queries.without_query()
            prefetched = self._prefetched.result()
            self.queries.calls += prefetched.calls
            self._prove_emptied(prefetched.count)
            yield from self._read(prefetched, track_seen=self._track_seen)
        except FeatureUnavailable:
            self.comparison.note = not_offered(self.queries, self._held)
            # Nothing can have changed before the feature exists, so changes suffice from here;
            # of what Bronze holds already, changes up to now may be unread.
            watermark = None if self._track_seen else prefetched.time
            yield self._advancing(Chunk((), watermark=watermark))
            return
        except RequestRejected as error:
            refused = isinstance(error, NoQuery) or not self.plan.entity.surely_queried
            if not refused or self._pager.answered or prefetched.page is not None:
                raise
            yield from WithoutQuery(
                self._client,
                self.plan,
                self.queries,
                self._bronze,
                self._realm_id,
                held=self._held,
            ).chunks(error, self.comparison)
            return
        self.queries.offered()
        if prefetched.count is None:
            return
        if self._complete(prefetched.count) or self._complete(self.queries.count()):
            return
        # Something moved that neither the walk nor its change pass could show.
        self._resume, self._walk = None, None
        yield from self._read(Prefetched(self.comparison.expected, None, None), track_seen=True)
        self._complete(self.queries.count())

    def _prove_emptied(self, count: int | None) -> None:
        """A count of nothing is asked about before anything is read or written for it.

        Raises:
            RightsInDoubt: objects that Bronze holds are there.
        """
        entity = self.plan.entity
        # Rows that no count shows may be merely inactive; what is not read is proven gone after.
        if count == 0 and self._track_seen and entity.identified and not entity.inactive_apart:
            self.queries.prove_gone(sorted(self._bronze.live_ids(self._realm_id, entity)))

    def _complete(self, expected: int | None) -> bool:
        stored = self._bronze.stored(self._realm_id, self.plan.entity)
        waiting = self._bronze.waiting(self._realm_id, self.plan.entity)
        left_out = self._bronze.left_out(self._realm_id, self.plan.entity)
        return self.comparison.compare(expected, stored, waiting, left_out)

    def _read(self, prefetched: Prefetched, *, track_seen: bool) -> Iterator[Chunk]:
        page = self._whole(prefetched)
        if page is None:
            yield from self._long(prefetched, track_seen=track_seen)
            return
        inactive = self._inactive(prefetched)
        records = [*page.records, *inactive.records]
        rejects = [*page.rejects, *inactive.rejects]
        if track_seen:
            held = self._bronze.live_ids(self._realm_id, self.plan.entity)
            # A row that cannot be read was met as well: its object exists.
            unseen = held - {record.id for record in records} - ids_of(rejects)
            found = self._phantoms(sorted(unseen), page.time)
            records += found.records
            rejects += found.rejects
        yield self._advancing(Chunk(records, rejects, page.bytes, page.time, whole=True))

    def _inactive(self, prefetched: Prefetched) -> InactiveRows:
        asked = prefetched.inactive
        return inactive_rows(self.queries, None if asked is None else asked.result(), self._pool)

    def _whole(self, prefetched: Prefetched) -> Page | None:
        """The only page, if it surely holds every row."""
        page = prefetched.page
        if page is None or self._resume is not None or page.full:
            return None
        return page if prefetched.count is None or page.rows >= prefetched.count else None

    def _long(self, prefetched: Prefetched, *, track_seen: bool) -> Iterator[Chunk]:
        walk = self._walking(prefetched.count)
        walk.ahead = AHEAD_ACTIVE if self._active else AHEAD_WAITING
        step = self._resumed_step() or self._prefetched_step(prefetched, track_seen=track_seen)
        records: list[Record] = []
        rejects: list[Reject] = []
        size = pages = 0
        time: datetime | None = None
        for stretch in walk:
            records.extend(stretch.records)
            rejects.extend(stretch.rejects)
            size, pages = size + stretch.bytes, pages + 1
            time = time or stretch.time
            if step is None:
                step = self._first_step(stretch.time, track_seen=track_seen)
            step = replace(
                step,
                cursor=self._so_far.noted(self._pager.cursor(stretch.covered_to)),
                rows=step.rows + len(stretch.records) + len(stretch.rejects),
            )
            full = pages >= CHUNK_PAGES or size >= CHUNK_BYTES
            if full and not stretch.last:
                yield Chunk(records, rejects, size, walk=step)
                records, rejects, size, pages = [], [], 0, 0
        if step is None:
            raise IngestionError(
                "The walk ended without a page.",
                realm_id=self._realm_id,
                entity=self.plan.entity.name,
            )
        inactive = self._inactive(prefetched)
        records.extend(inactive.records)
        rejects.extend(inactive.rejects)
        yield from self._closing(step, records, rejects, size)

    def _closing(
        self, step: WalkStep, records: list[Record], rejects: list[Reject], size: int
    ) -> Iterator[Chunk]:
        """The rest of the walk, the changes since before it began, and the phantoms."""
        late, late_rejects, time = self._change_pass(step.started_at)
        last = Chunk([*records, *late], [*rejects, *late_rejects], size, walk=step)
        if step.track_seen:
            yield last
            unseen = self._bronze.unseen(self._realm_id, self.plan.entity, step.walk_id)
            found = self._phantoms(unseen, time)
            yield self._advancing(
                Chunk(found.records, found.rejects, watermark=time, walk=replace(step, done=True))
            )
        else:
            yield self._advancing(replace(last, watermark=time, walk=replace(step, done=True)))

    def _change_pass(self, began: datetime) -> tuple[list[Record], list[Reject], datetime]:
        since = began - OVERLAP
        entity = self.plan.entity
        if entity.cdc:
            self.queries.calls += 1
            known = partial(self._bronze.versions, self._realm_id)
            outcome = read_changes(self._client, [entity], since, known=known)[entity.name]
            if isinstance(outcome, EntityChanges):
                return list(outcome.records), list(outcome.rejects), outcome.time
            if isinstance(outcome, QBOAPIError | RightsInDoubt):
                raise outcome
        records: list[Record] = []
        rejects: list[Reject] = []
        time: datetime | None = None
        for stretch in self.queries.changed(since, None).walk(self._pool):
            records.extend(stretch.records)
            rejects.extend(stretch.rejects)
            time = time or stretch.time
        return records, rejects, time or began

    def _phantoms(self, unseen: Sequence[str], time: datetime) -> LiveRecords:
        """Rows Bronze holds alive that were not met: tombstones, or the row as it is now.

        Raises:
            RightsInDoubt: single reads of a sample do not confirm that they are gone.
        """
        entity = self.plan.entity
        if not unseen or not entity.identified or entity.kind is Kind.SINGLETON:
            return LiveRecords()
        try:
            alive = self.queries.alive(unseen)
        except RequestRejected:
            # A type that cannot be asked for by id is left as it is.
            return LiveRecords()
        asked_at = self.queries.noticed_at(alive.time or time)
        there = alive.there
        lost = [id for id in unseen if id not in there]
        if lost:
            self.queries.prove_gone(lost)
        alive.records += [
            Record(
                id=id,
                sync_token=None,
                state=entity.gone_state,
                created_at=None,
                last_updated_at=asked_at,
                payload=None,
                source=Source.RECONCILE,
                request_id=alive.request_id,
                fetched_at=asked_at,
            )
            for id in lost
        ]
        return alive

    def _advancing(self, chunk: Chunk) -> Chunk:
        return chunk if self.plan.advances else replace(chunk, watermark=None)

    def _fetch_ahead(self, prefetched: Future[Prefetched]) -> None:
        if prefetched.cancelled() or prefetched.exception() is not None:
            return
        result = prefetched.result()
        if self._whole(result) is None and not self.queries.lacks(Capability.QUERY):
            self._walking(result.count)

    def _walking(self, count: int | None) -> PageWalk:
        """The one walk of this read: whoever waits for it or fetches ahead for it comes first."""
        with self._starting:
            if self._walk is None:
                self._walk = self._start(count)
            return self._walk

    def _start(self, count: int | None) -> PageWalk:
        resume, expected = self._resume, count
        if resume is not None and count is not None:
            expected = count - resume.rows
        self._pager = self.queries.snapshot()
        return self._pager.walk(
            self._pool,
            cursor=begins_behind(resume),
            expected=expected,
            ahead=AHEAD_ACTIVE if self._active else AHEAD_WAITING,
        )

    def _resumed_step(self) -> WalkStep | None:
        resume = self._resume
        if resume is None:
            return None
        self.comparison.note = f"resumed after {resume.rows} rows"
        return WalkStep(
            walk_id=resume.walk_id,
            started_at=resume.started_at,
            cursor=resume.cursor,
            rows=resume.rows,
            done=False,
            track_seen=resume.track_seen,
        )

    def _prefetched_step(self, prefetched: Prefetched, *, track_seen: bool) -> WalkStep | None:
        return (
            None
            if prefetched.time is None
            else self._first_step(prefetched.time, track_seen=track_seen)
        )

    def _first_step(self, began: datetime, *, track_seen: bool) -> WalkStep:
        return WalkStep(
            walk_id=uuid.uuid4().hex,
            started_at=began,
            cursor=None,
            rows=0,
            done=False,
            track_seen=track_seen,
        )
