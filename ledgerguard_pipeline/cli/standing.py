"""How each company stands, gathered from the control plane and Bronze; no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens import Tokens
from ledgerguard_pipeline.custody.health import Health, SyncFacts, judge
from ledgerguard_pipeline.errors import BronzeBusy, KeyUnavailable
from ledgerguard_pipeline.settings import Settings

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore

_LOCK_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One company as ``ledgerguard status`` shows it; counts are None while Bronze is busy."""

    company: Company
    health: Health
    access_token_expiry: datetime | None
    refresh_token_expiry: datetime | None
    last_sync_time: datetime | None
    entity_counts: Mapping[str, int] | None
    api_calls_this_month: int
    webhook_queue_depth: int = 0
    webhook_queue_age_seconds: float = 0.0

    def to_json(self) -> dict[str, object]:
        return {
            "realm_id": self.company.realm_id,
            "name": self.company.name,
            "environment": self.company.environment.value,
            "health": self.health.state.value,
            "reasons": list(self.health.texts),
            "is_connected": self.company.status is ConnectionStatus.CONNECTED,
            "last_sync_time": self.last_sync_time,
            "entity_counts": None if self.entity_counts is None else dict(self.entity_counts),
            "access_token_expiry": self.access_token_expiry,
            "refresh_token_expiry": self.refresh_token_expiry,
            "response_time_ms": self.company.response_time_ms,
            "api_calls_this_month": self.api_calls_this_month,
            "webhook_queue_depth": self.webhook_queue_depth,
            "webhook_queue_age_seconds": round(self.webhook_queue_age_seconds, 1),
        }


def standings(settings: Settings) -> list[Standing]:
    """Every company of this environment.

    Raises:
        WrongEnvironment: Bronze belongs to the other environment.
        KeyUnavailable: the key ring is damaged.
    """
    with ControlPlane.open(settings) as control:
        listed = control.companies.list()
        store = _store(settings)
        budget = settings.ledgerguard_monthly_call_budget
        return [_standing(control, store, company, budget) for company in listed]


def _standing(
    control: ControlPlane, store: BronzeStore | None, company: Company, budget: int
) -> Standing:
    realm = company.realm_id
    tokens = _tokens(control, company)
    held = _held(store, company)
    calls = control.calls.month_to_date(realm)
    backlog = control.inbox.backlog(realm)
    facts = SyncFacts(
        last_sync_at=held.last_sync_time,
        quarantined=held.quarantined,
        calls_this_month=calls,
        monthly_budget=budget,
        webhook_age_seconds=backlog.age_seconds,
        parked_events=backlog.parked,
    )
    return Standing(
        company=company,
        health=judge(company, tokens, facts, control.now()),
        access_token_expiry=None if tokens is None else tokens.access_expires_at,
        refresh_token_expiry=None if tokens is None else tokens.refresh_expires_at,
        last_sync_time=held.last_sync_time,
        entity_counts=held.counts,
        api_calls_this_month=calls,
        webhook_queue_depth=backlog.depth,
        webhook_queue_age_seconds=backlog.age_seconds,
    )


def _tokens(control: ControlPlane, company: Company) -> Tokens | None:
    """One company whose tokens do not open must not hide the others: it has none."""
    try:
        return control.tokens.load(company.realm_id)
    except KeyUnavailable:
        return None


def _store(settings: Settings) -> BronzeStore | None:
    path = settings.bronze_path
    if not path.exists():
        return None
    from ledgerguard_pipeline.bronze.store import BronzeStore

    return BronzeStore(path, settings.intuit_env, lock_wait_seconds=_LOCK_WAIT_SECONDS)


@dataclass(frozen=True, slots=True)
class _Held:
    """What Bronze holds of a company."""

    counts: Mapping[str, int] | None
    last_sync_time: datetime | None
    quarantined: int = 0


def _held(store: BronzeStore | None, company: Company) -> _Held:
    realm = company.realm_id
    if store is None:
        return _Held({}, None)
    try:
        loads = store.last_loads(realm).values()
        return _Held(
            store.counts(realm),
            max((load.loaded_at for load in loads), default=None),
            sum(store.quarantined(realm).values()),
        )
    except BronzeBusy:
        # A load is being written; the connection's health does not depend on it.
        return _Held(None, company.last_success_at)
