"""Telling the control plane what was committed, so that others know without opening Bronze.

Marks are a copy: whatever goes wrong with them, a load goes on, and the next sync notices by the
watermarks that they fell behind and makes them anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.control.company_state.sync_state import (
    Committed,
    Counted,
    SyncMark,
    SyncMarks,
)
from ledgerguard_pipeline.errors import BronzeError, ControlError
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.values import RealmId

_log = structlog.get_logger(__name__)


class Marking:
    """The marks of one company; without ``marks`` (a client used on its own) it does nothing."""

    def __init__(self, marks: SyncMarks | None, storage: BronzeStore, realm_id: RealmId) -> None:
        self._marks = marks
        self._storage = storage
        self._realm_id = realm_id

    def opened(self, watermarks: Mapping[str, datetime]) -> None:
        """Make the marks anew where they differ from Bronze's own ``watermarks``.

        They do after an update from a version without marks, after a backup was restored, and
        after a process died between its commit and its mark.
        """
        if self._marks is None:
            return
        with self._tolerant():
            if self._marks.watermarks(self._realm_id) != dict(watermarks):
                self._marks.rebuilt(self._realm_id, read_marks(self._storage, self._realm_id))

    def doubts(self) -> tuple[Doubt, ...]:
        """Types whose answers went silent about living objects."""
        if self._marks is not None:
            with self._tolerant():
                return self._marks.doubts.read([self._realm_id]).get(self._realm_id, ())
        return ()

    def doubted(self, found: Collection[str], settled: Collection[str]) -> None:
        """Note which types went silent, and of which all rows could be read again."""
        if self._marks is None:
            return
        with self._tolerant():
            if found:
                self._marks.doubts.found(self._realm_id, found)
            if settled:
                self._marks.doubts.settled(self._realm_id, settled)

    def partial(self, found: Mapping[str, int]) -> None:
        """Note of how many objects, by entity, Bronze holds only a part."""
        if self._marks is not None:
            with self._tolerant():
                self._marks.partial(self._realm_id, found)

    def committed(self, loads: Sequence[Load], outcomes: Sequence[LoadOutcome]) -> None:
        """Note a commit of this company."""
        if self._marks is None:
            return
        with self._tolerant():
            self._marks.committed(
                self._realm_id,
                [
                    Committed(
                        outcome.entity,
                        load.mode,
                        outcome.load_id,
                        living=outcome.living,
                        quarantined=outcome.waiting,
                        watermark=load.watermark,
                    )
                    for load, outcome in zip(loads, outcomes, strict=True)
                ],
            )

    def ended(
        self,
        *,
        failed: Mapping[str, Failure],
        current: Collection[str],
        recount: Collection[str],
        compared: Sequence[CountGap] = (),
    ) -> None:
        """Note how a sync ended; ``recount`` are entities whose rows are counted in Bronze,
        ``compared`` those that Intuit counted, equal or not.
        """
        if self._marks is None:
            return
        counted: dict[str, Counted] = {}
        with self._tolerant():
            counted = self._count(recount) if recount else {}
        with self._tolerant():
            self._marks.ended(self._realm_id, failed=failed, current=current, counted=counted)
            if compared:
                self._marks.gaps.compared(self._realm_id, compared)

    def _count(self, entities: Collection[str]) -> dict[str, Counted]:
        rows = self._storage.counts(self._realm_id)
        waiting = self._storage.quarantined(self._realm_id)
        return {name: Counted(rows.get(name, 0), waiting.get(name, 0)) for name in entities}

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (ControlError, BronzeError) as error:
            _log.warning("marks_not_written", realm_id=self._realm_id, reason=error.message)


def read_marks(storage: BronzeStore, realm_id: RealmId) -> list[SyncMark]:
    """What Bronze itself says of every entity of a company."""
    watermarks, loads = storage.watermarks(realm_id), storage.last_loads(realm_id)
    rows, waiting = storage.counts(realm_id), storage.quarantined(realm_id)
    found = []
    for entity in sorted(watermarks.keys() | loads.keys()):
        load = loads.get(entity)
        found.append(
            SyncMark(
                entity,
                last_sync_at=watermarks.get(entity),
                watermark=watermarks.get(entity),
                committed_at=None if load is None else load.loaded_at,
                rows=rows.get(entity, 0),
                quarantined=waiting.get(entity, 0),
                mode=None if load is None else load.mode,
                load_id=None if load is None else load.load_id,
            )
        )
    return found
