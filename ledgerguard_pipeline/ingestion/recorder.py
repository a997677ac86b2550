"""What is remembered of a company's syncs, so that others know without opening Bronze.

Sync states are a copy: whatever goes wrong with them, a load goes on, and the next sync notices by the
watermarks that they fell behind and makes them anew; so it does where either was restored.

Decision 84 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.control.company_state.companies import CompanyStore
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.control.company_state.sync_state import (
    Committed,
    Counted,
    SyncState,
    SyncStates,
)
from ledgerguard_pipeline.control.rate_limits.monthly_budget import CallBudget
from ledgerguard_pipeline.errors import BronzeError, ControlError
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.ingestion.renewed_copy import RenewedCopy
from ledgerguard_pipeline.values import RealmId

Restored = Callable[[Mapping[str, datetime | None]], None]
"""Hears of the entity types of which Bronze once held more, with its watermarks now: an older copy
of it was restored, or it is new.
"""

_log = structlog.get_logger(__name__)


class Recorder:
    """Remembers nothing: what a client used on its own has, without an installation."""

    remembers = False

    def require_budget(self, what: str) -> None:
        """Refuse ``what``, which can wait, near the end of the month's call budget.

        Raises:
            CallBudgetSpent: it is nearly used.
        """

    def opened(self, watermarks: Mapping[str, datetime], restored: Restored) -> None:
        """A sync begins, and these are Bronze's own watermarks.

        ``restored`` is called before anything is noted, so that it is called again after a crash.
        """

    def doubts(self) -> tuple[Doubt, ...]:
        """Types whose answers went silent about living objects."""
        return ()

    def doubted(self, found: Collection[str], settled: Collection[str]) -> None:
        """Note which types went silent, and of which all rows could be read again."""

    def connected_at(self) -> datetime | None:
        """When the company was connected last."""
        return None

    def partial(self, found: Mapping[str, int]) -> None:
        """Note of how many objects, by entity, Bronze holds only a part."""

    def committed(self, loads: Sequence[Load], outcomes: Sequence[LoadOutcome]) -> None:
        """Note a commit of this company."""

    def ended(
        self,
        *,
        failed: Mapping[str, Failure],
        current: Collection[str],
        recount: Collection[str],
        compared: Sequence[CountGap] = (),
        held: Held | None = None,
    ) -> None:
        """Note how a sync ended.

        ``recount`` are entities whose rows are counted in Bronze, unless ``held`` says what there is
        since the last commit; ``compared`` those that Intuit counted, equal or not.
        """

    def worked(self, response_time_ms: float, *, recovered: bool = False) -> None:
        """Intuit answered; a call took so long on average.

        ``recovered`` says that nothing failed meanwhile, not even a call that was repeated.
        """

    def stumbled(self, failure: Failure) -> None:
        """Nothing could be done, and why."""

    def finished(self) -> None:
        """Everything is committed: whoever reads a copy may have a new one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One company, and the stores that its record is kept in; ``copy`` is a snapshot to renew."""

    companies: CompanyStore
    sync_states: SyncStates
    budget: CallBudget
    storage: BronzeStore
    realm_id: RealmId
    copy: Path | None = None


class InstallationRecorder(Recorder):
    """Keeps the record of one company in the control plane."""

    remembers = True

    def __init__(self, kept: Kept) -> None:
        self._companies = kept.companies
        self._sync_states = kept.sync_states
        self._budget = kept.budget
        self._storage = kept.storage
        self._realm_id = kept.realm_id
        self._copy = None if kept.copy is None else RenewedCopy(kept.storage, kept.copy)

    def require_budget(self, what: str) -> None:
        self._budget.require(what)

    def opened(self, watermarks: Mapping[str, datetime], restored: Restored) -> None:
        """Rebuild the sync states where they differ from Bronze's own ``watermarks``.

        They do after an update from a version without them, after a backup was restored, and
        after a process died between its commit and its sync state.
        """
        with self._tolerant():
            known = self._sync_states.watermarks(self._realm_id)
            if known == dict(watermarks):
                return
            older = {
                entity: watermarks.get(entity)
                for entity, at in sorted(known.items())
                if entity not in watermarks or watermarks[entity] < at
            }
            if older:
                restored(older)
            _log.warning(
                "bronze_is_an_older_copy" if older else "control_plane_is_behind_bronze",
                realm_id=self._realm_id,
                control_plane_until=_latest(known),
                bronze_until=_latest(watermarks),
            )
            held = read_states(self._storage, self._realm_id)
            # What Bronze lost as a whole was never synced, whatever was noted before.
            gone = [SyncState(name) for name in known.keys() - {each.entity for each in held}]
            self._sync_states.rebuilt(self._realm_id, [*held, *gone])

    def doubts(self) -> tuple[Doubt, ...]:
        known: dict[RealmId, tuple[Doubt, ...]] = {}
        with self._tolerant():
            known = dict(self._sync_states.doubts.read([self._realm_id]))
        return known.get(self._realm_id, ())

    def doubted(self, found: Collection[str], settled: Collection[str]) -> None:
        with self._tolerant():
            if found:
                self._sync_states.doubts.found(self._realm_id, found)
            if settled:
                self._sync_states.doubts.settled(self._realm_id, settled)

    def connected_at(self) -> datetime | None:
        company = self._companies.get(self._realm_id)
        return None if company is None else company.connected_at

    def partial(self, found: Mapping[str, int]) -> None:
        with self._tolerant():
            self._sync_states.partial(self._realm_id, found)

    def committed(self, loads: Sequence[Load], outcomes: Sequence[LoadOutcome]) -> None:
        if self._copy is not None and any(each.written or each.deleted for each in outcomes):
            self._copy.outdated()
        with self._tolerant():
            self._sync_states.committed(
                self._realm_id,
                [
                    Committed(
                        outcome.entity,
                        load.mode,
                        outcome.load_id,
                        live_delta=outcome.live_delta,
                        quarantined=outcome.waiting,
                        watermark=load.watermark,
                        changed=outcome.written + outcome.deleted,
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
        held: Held | None = None,
    ) -> None:
        counted: dict[str, Counted] = {}
        with self._tolerant():
            counted = self._count(recount, held) if recount else {}
        with self._tolerant():
            self._sync_states.ended(self._realm_id, failed=failed, current=current, counted=counted)
            if compared:
                self._sync_states.gaps.compared(self._realm_id, compared)

    def worked(self, response_time_ms: float, *, recovered: bool = False) -> None:
        self._companies.heartbeat(self._realm_id, response_time_ms, recovered=recovered)

    def stumbled(self, failure: Failure) -> None:
        self._companies.stumble(self._realm_id, failure)

    def finished(self) -> None:
        if self._copy is not None:
            self._copy.renew()

    def _count(self, entities: Collection[str], held: Held | None) -> dict[str, Counted]:
        held = held or self._storage.company_counts.of(self._realm_id)
        return {
            name: Counted(held.live.get(name, 0), held.quarantined.get(name, 0))
            for name in entities
        }

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (ControlError, BronzeError) as error:
            _log.warning("sync_states_not_written", realm_id=self._realm_id, reason=error.message)


def _latest(watermarks: Mapping[str, datetime]) -> str | None:
    return max(watermarks.values()).isoformat() if watermarks else None


def read_states(storage: BronzeStore, realm_id: RealmId) -> list[SyncState]:
    """What Bronze itself says of every entity of a company."""
    watermarks, loads = storage.watermarks(realm_id), storage.last_loads(realm_id)
    rows, waiting = storage.counts(realm_id), storage.quarantined(realm_id)
    found = []
    for entity in sorted(watermarks.keys() | loads.keys()):
        load = loads.get(entity)
        found.append(
            SyncState(
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
