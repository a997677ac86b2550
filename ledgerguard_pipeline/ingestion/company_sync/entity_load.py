"""One entity's load inside a sync: its reader, what was committed of it, and how it and all ended."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.entities import Kind
from ledgerguard_pipeline.errors import LedgerGuardError, RightsInDoubt, wrap
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.readers.base import Chunk, EntityReader
from ledgerguard_pipeline.ingestion.readers.stopped import StoppedReader
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.request import SyncRequest, Window
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.values import LoadId, Mode, RealmId


@dataclass(slots=True)
class EntityLoad:
    """``pending`` is a chunk that was read and not committed yet; times are in seconds."""

    realm_id: RealmId
    reader: EntityReader
    chunks: Iterator[Chunk]
    pending: Chunk | None = None
    started: float = 0.0
    result: EntityResult | None = None
    error: LedgerGuardError | None = None
    _outcomes: list[LoadOutcome] = field(default_factory=list)
    _bytes: int = 0
    _completed: Chunk | None = None
    _rests: bool = False

    @property
    def name(self) -> str:
        """The entity's name."""
        return self.reader.plan.entity.name

    @property
    def pending_rows(self) -> int:
        """Rows that were read and not committed yet."""
        return 0 if self.pending is None else len(self.pending.records)

    @property
    def untouched(self) -> bool:
        """True while nothing of it was committed and it has not ended."""
        return self.result is None and not self._outcomes and self._completed is None

    @property
    def unread(self) -> bool:
        """Whether its first chunk was not asked for yet, and it is not read in full."""
        return self.pending is None and self.untouched and self.reader.mode is not Mode.FULL

    @property
    def empty(self) -> bool:
        """Whether its first chunk, once it was read, is no news: no row, no reject, no failure."""
        if self.error is not None or self.reader.mode is Mode.FULL:
            return False
        first = self.pending
        return first is None or not (first.records or first.rejects or first.walk)

    @property
    def completed(self) -> bool:
        """Whether a commit brought it up to date, or it was found to be."""
        return self._completed is not None

    @property
    def unmoved(self) -> bool:
        """Whether no commit moved its watermark in Bronze to where it was brought up to."""
        return self._rests or self._completed is None

    @property
    def walked(self) -> bool:
        """Whether all its rows were read: the moment to count what Bronze holds."""
        entity = self.reader.plan.entity
        return self.reader.mode is Mode.FULL and entity.kind is not Kind.SINGLETON

    def as_written(self, chunk: Chunk, request: SyncRequest, now: datetime) -> Load:
        """What Bronze is to commit of a chunk."""
        return Load(
            load_id=LoadId(uuid.uuid4().hex),
            realm_id=self.realm_id,
            entity=self.reader.plan.entity,
            mode=self.reader.mode,
            run_id=request.run_id,
            records=chunk.records,
            rejects=chunk.rejects,
            watermark=chunk.watermark,
            walk=chunk.walk,
            whole=chunk.whole,
            api_calls=self.reader.queries.calls,
            fetched_bytes=chunk.bytes,
            started_at=now,
            recorded=not request.quiet,
        )

    def committed(self, chunk: Chunk, outcome: LoadOutcome) -> None:
        """A chunk is durable."""
        self._outcomes.append(outcome)
        self._bytes += chunk.bytes
        self.pending = None
        if chunk.watermark is not None:
            self._completed = chunk

    def confirmed(self, chunk: Chunk) -> None:
        """A chunk that only moves the watermark says that Bronze has everything; it is not written."""
        self.pending = None
        self._completed = chunk
        self._rests = True

    def end(self, now: float, healed: str | None = None) -> EntityResult:
        """Everything of it is durable; ``healed`` is what was mended before."""
        result = self._summed_up(now)
        notes = [note for note in (healed, result.note) if note]
        self.result = replace(result, note="; ".join(notes) or None)
        return self.result

    def fail(self, cause: Exception, now: float) -> EntityResult:
        """It ended with an error; committed rows stay."""
        error = wrap(cause, "The load failed unexpectedly", "the next sync tries again")
        if error.entity not in (None, self.name):
            # Several types shared the call that failed; each names itself.
            shared, error = error, copy(error)
            error.__cause__ = shared
        error.realm_id = error.realm_id or self.realm_id
        error.entity = self.name
        self.error = error
        self.result = replace(self._summed_up(now), status="failed", error=str(error))
        return self.result

    def _summed_up(self, now: float) -> EntityResult:
        outcomes, comparison = self._outcomes, self.reader.comparison
        return EntityResult(
            realm_id=self.realm_id,
            entity=self.name,
            mode=self.reader.mode,
            fetched=sum(outcome.fetched for outcome in outcomes),
            written=sum(outcome.written for outcome in outcomes),
            deleted=sum(outcome.deleted for outcome in outcomes),
            updated=sum(outcome.updated for outcome in outcomes),
            renamed=sum(outcome.renamed for outcome in outcomes),
            unchanged=sum(outcome.unchanged for outcome in outcomes),
            stale=sum(outcome.stale for outcome in outcomes),
            quarantined=sum(outcome.quarantined for outcome in outcomes),
            api_calls=self.reader.queries.calls,
            bytes=self._bytes,
            seconds=now - self.started,
            watermark=self._completed.watermark if self._completed else None,
            expected=comparison.expected,
            stored=comparison.stored,
            note=comparison.note,
            load_ids=tuple(outcome.load_id for outcome in outcomes),
            new_fields=tuple(sorted({name for outcome in outcomes for name in outcome.new_fields})),
            finding=comparison.finding,
            covered=self._covered(),
        )

    def _covered(self) -> Window | None:
        if self._completed is None:
            return None
        whole = self.reader.mode is Mode.FULL
        return Window(None if whole else self.reader.plan.since, self._completed.watermark)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of all loads of a sync; ``failure`` says what an error means to its entity."""

    request: SyncRequest
    loads: Sequence[EntityLoad]
    failure: Callable[[LedgerGuardError], Failure]

    def doubts(self, again: Collection[str]) -> tuple[list[str], list[str]]:
        """Which types went silent, and which of those read ``again`` answer as they should."""
        silent, settled = [], []
        for load in self.loads:
            if isinstance(load.reader, StoppedReader):
                continue
            if isinstance(load.error, RightsInDoubt):
                silent.append(load.name)
            if load.name in again and load.completed:
                settled.append(load.name)
        return silent, settled

    def record(self, recorder: Recorder, held: Held | None) -> None:
        """Which entities failed, which are current without a commit, which to count anew."""
        failed: dict[str, Failure] = {}
        current, recount, compared = [], [], []
        for load in self.loads:
            if load.error is not None:
                failed[load.name] = self.failure(load.error)
            elif load.result is not None:
                # A type that the company's edition lacks is up to date without any row.
                if load.reader.plan.advances and not self.request.reconcile and load.unmoved:
                    current.append(load.name)
                if self.request.reconcile or load.walked:
                    recount.append(load.name)
                found = load.result
                if found.expected is not None and found.stored is not None:
                    compared.append(CountGap(load.name, found.expected, found.stored))
        recorder.ended(
            failed=failed, current=current, recount=recount, compared=compared, held=held
        )
