"""The status of one entity type of one company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.sync_state import SyncState
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import FailureKind
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.result import iso

PROMISED_CDC_SECONDS = 900.0
"""Types that change data capture covers: the schedule of every 15 minutes."""

PROMISED_QUERIED_SECONDS = 3_600.0
"""All others: the hourly schedule."""


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """One entity type of one company.

    ``last_sync_at`` is when it was last up to date, ``rows`` its living objects in Bronze,
    ``error`` why its last attempt failed.
    """

    entity: str
    last_sync_at: datetime | None
    rows: int
    mode: str | None
    error: str | None
    quarantined: int = 0
    promised_seconds: float = PROMISED_CDC_SECONDS
    failed_at: datetime | None = None
    """When ``error`` happened."""
    failure: Failure | None = None
    """``error`` with who has to act; None where nothing failed."""
    partial: int = 0
    """Objects held in part only."""
    watermark: datetime | None = None
    """Up to when it was read; Bronze's own is the truth, this one is known without opening it."""

    def to_json(self) -> dict[str, object]:
        """One entry of the company's ``entities``."""
        return {
            "entity": self.entity,
            "last_sync_time": iso(self.last_sync_at),
            "promised_seconds": self.promised_seconds,
            "rows": self.rows,
            "quarantined": self.quarantined,
            "partial": self.partial,
            "mode": self.mode,
            "error": self.error,
            "error_kind": None if self.failure is None else self.failure.kind,
            "error_scope": self._scope,
        }

    @property
    def _scope(self) -> str | None:
        if self.failure is None:
            return None
        return "company" if self.failure.company_wide else "entity"


SCHEDULE_MINUTES = 15
"""How often the schedule reads changes of companies that have runs of their own."""


def minutes_between_reads(settings: Settings, connected: int) -> int:
    """How often changes are read: more companies than the setting says are swept."""
    swept = connected > settings.ledgerguard_sweep_above
    return settings.ledgerguard_sweep_minutes if swept else SCHEDULE_MINUTES


def promised_seconds(entity: EntityType, minutes: int = SCHEDULE_MINUTES) -> float:
    """How old the data of an entity may be, where changes are read every so many minutes.

    Rare sweeps promise less, frequent ones no more.
    """
    usual = PROMISED_CDC_SECONDS if entity.cdc else PROMISED_QUERIED_SECONDS
    return max(usual, minutes * 60.0) if entity.cdc else usual


OF_THE_GRANT = frozenset({"AccessDenied", "KeyUnavailable", "ReauthorizationRequired"})
"""Errors that a new consent ends."""


def without_what_passed(
    entities: Sequence[EntityStatus], connected_at: datetime
) -> tuple[EntityStatus, ...]:
    """Failures that pass by themselves have passed once a later sync of the company worked.

    That one may not have had the type to read; whether its data is late counts on its own.
    Failures of the grant are over when somebody has connected the company again.
    """
    last = max((each.last_sync_at for each in entities if each.last_sync_at), default=None)

    def passed(each: EntityStatus) -> bool:
        failure, at = each.failure, each.failed_at
        if failure is None or at is None:
            return False
        if failure.name in OF_THE_GRANT:
            return at < connected_at
        return failure.kind is FailureKind.TRANSIENT and last is not None and last > at

    return tuple(
        replace(each, error=None, failure=None, failed_at=None) if passed(each) else each
        for each in entities
    )


def entity_status(sync_state: SyncState, promised: float) -> EntityStatus:
    """The status of an entity type by its sync state."""
    return EntityStatus(
        entity=sync_state.entity,
        last_sync_at=sync_state.last_sync_at,
        rows=sync_state.rows,
        mode=None if sync_state.mode is None else sync_state.mode.value,
        error=sync_state.error,
        quarantined=sync_state.quarantined,
        promised_seconds=promised,
        failed_at=sync_state.failed_at,
        failure=sync_state.failure,
        partial=sync_state.partial,
        watermark=sync_state.watermark,
    )
