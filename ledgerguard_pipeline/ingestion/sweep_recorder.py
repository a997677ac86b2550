"""What is remembered of the companies of a sweep: read for many at once, noted for many at once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.control.company_state.idle_notes import Idle, IdleNotes
from ledgerguard_pipeline.control.company_state.sync_state import SyncStates
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.recorder import InstallationRecorder, Kept, Restored
from ledgerguard_pipeline.values import RealmId

AT_ONCE = 500
"""Companies that are looked up together."""


@dataclass(frozen=True, slots=True)
class KnownCompany:
    """Watermarks of a company in Bronze and those noted beside it, by entity, and doubted types."""

    watermarks: Mapping[str, datetime]
    noted: Mapping[str, datetime]
    doubts: tuple[Doubt, ...] = ()


class KnownCompanies:
    """Companies of a sweep, looked up some hundred at a time when the first of them is needed.

    Thread-safe. With ``following`` the tables made from Bronze catch up first with what a process
    that died left out of them: idle companies make no commit that would do it.
    """

    def __init__(
        self,
        states: SyncStates,
        bronze: BronzeStore,
        realms: Sequence[RealmId],
        *,
        following: bool = True,
    ) -> None:
        self._states = states
        self._bronze = bronze
        self._realms = realms
        self._following = following
        self._positions = {realm: index for index, realm in enumerate(realms)}
        self._lock = threading.Lock()
        self._known: dict[RealmId, KnownCompany] = {}

    def of(self, realm: RealmId) -> KnownCompany:
        """What is known of a company; asked for once."""
        with self._lock:
            if realm not in self._known:
                self._look_up(self._positions[realm])
            return self._known.pop(realm)

    def _look_up(self, first: int) -> None:
        realms = self._realms[first : first + AT_ONCE]
        # Before Bronze's own: what is committed in between only makes Bronze newer.
        noted, doubts = self._states.watermarks_of(realms), self._states.doubts.read(realms)
        if self._following:
            self._bronze.catch_up(realms)
        watermarks = self._bronze.watermarks_of(realms)
        self._known |= {
            realm: KnownCompany(watermarks[realm], noted[realm], doubts.get(realm, ()))
            for realm in realms
        }


class SweepRecorder(InstallationRecorder):
    """Keeps the record of one company of a sweep, in common with the others while it is idle."""

    def __init__(self, kept: Kept, known: KnownCompany, notes: IdleNotes) -> None:
        super().__init__(kept)
        self._known = known
        self._notes = notes
        self._answered: tuple[float, bool] | None = None

    def opened(self, watermarks: Mapping[str, datetime], restored: Restored) -> None:
        """As for a single company, unless the two agreed when all companies were looked up."""
        if self._known.noted == dict(watermarks):
            return
        # Others may have synced the company since; in this order Bronze is never found behind.
        with self._tolerant():
            noted = self._sync_states.watermarks(self._realm_id)
            now = self._storage.watermarks(self._realm_id)
            if noted != now:
                super().opened(now, restored)

    def doubts(self) -> tuple[Doubt, ...]:
        return self._known.doubts

    def worked(self, response_time_ms: float, *, recovered: bool = False) -> None:
        """Written with how the sync ended."""
        self._answered = response_time_ms, recovered

    def ended(
        self,
        *,
        failed: Mapping[str, Failure],
        current: Collection[str],
        recount: Collection[str],
        compared: Sequence[CountGap] = (),
        held: Held | None = None,
    ) -> None:
        answered, self._answered = self._answered, None
        if answered is not None and current and not (failed or recount or compared):
            self._notes.add(Idle(self._realm_id, frozenset(current), *answered))
            return
        if answered is not None:
            super().worked(answered[0], recovered=answered[1])
        super().ended(failed=failed, current=current, recount=recount, compared=compared, held=held)
