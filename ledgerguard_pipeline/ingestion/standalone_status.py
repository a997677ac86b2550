"""The status of a company that no installation watches, from Bronze and from Intuit itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

from ledgerguard_pipeline.bronze.loads import LoadRecord
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens.sql_store import TokenLife
from ledgerguard_pipeline.errors import (
    BronzeError,
    LedgerGuardError,
    NeedsHuman,
    QBOAuthError,
    Transient,
)
from ledgerguard_pipeline.health.company_status import CompanyStatus, MonthlyCalls
from ledgerguard_pipeline.health.entity_status import EntityStatus
from ledgerguard_pipeline.health.rules import (
    EntityFacts,
    Health,
    HealthState,
    Reason,
    ReasonKind,
    SyncFacts,
    judge,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.oauth.company_profile import CompanyProfile
from ledgerguard_pipeline.values import RealmId


@dataclass(slots=True)
class _Held:
    """What Bronze knows of a company, or why it cannot say."""

    watermarks: Mapping[str, datetime] = field(default_factory=dict)
    loads: Mapping[str, LoadRecord] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    failure: BronzeError | None = None


@dataclass(frozen=True, slots=True)
class StandaloneStatus:
    """``answered`` says whether Intuit answered just now; ``watermarks`` are Bronze's."""

    company_status: CompanyStatus
    answered: bool
    watermarks: Mapping[str, datetime]


def standalone_status(
    client: QBOClient,
    storage: BronzeStore,
    realm: RealmId,
    failures: Mapping[str, str],
    now: datetime,
) -> StandaloneStatus:
    """The status without an installation; one call.

    ``failures`` are the entities whose last attempt failed, as the caller remembers them.
    Nothing is judged late, because nothing was promised.
    """
    held = _read(storage, realm)
    before = client.stats.snapshot()
    try:
        found: CompanyProfile | LedgerGuardError = client.company_info()
    except LedgerGuardError as error:
        found = error
    after = client.stats.snapshot()
    calls = after.http_calls - before.http_calls
    connected = isinstance(found, CompanyProfile)
    ends = client.expiries
    life = (
        None
        if ends.access is None
        else TokenLife(ends.access, ends.refresh, hard_expires_at=None, key_id="")
    )
    company = Company(
        realm_id=realm,
        environment=client.environment,
        name=found.name if isinstance(found, CompanyProfile) else str(realm),
        status=(
            ConnectionStatus.NEEDS_REAUTH
            if isinstance(found, QBOAuthError) and isinstance(found, NeedsHuman)
            else ConnectionStatus.CONNECTED
        ),
        connected_at=now,
        last_success_at=now if connected else None,
        response_time_ms=(
            round((after.seconds - before.seconds) / calls * 1000, 1)
            if connected and calls
            else None
        ),
    )
    entities = tuple(
        EntityStatus(
            entity=name,
            last_sync_at=_last_sync(held, name),
            rows=held.counts.get(name, 0),
            mode=held.loads[name].mode.value if name in held.loads else None,
            error=failures.get(name),
            quarantined=held.quarantined.get(name, 0),
            promised_seconds=0.0,
        )
        for name in sorted({*held.watermarks, *held.loads, *held.counts, *failures})
    )
    facts = SyncFacts(
        entities=tuple(
            EntityFacts(each.entity, each.last_sync_at, inf, each.error) for each in entities
        ),
        quarantined=sum(held.quarantined.values()),
    )
    company_status = CompanyStatus(
        company=company,
        life=life,
        facts=facts,
        health=_health(company, life, facts, found, held.failure, now),
        entities=entities,
        calls=MonthlyCalls(0, None, 0),
    )
    return StandaloneStatus(company_status, connected, held.watermarks)


def _read(storage: BronzeStore, realm: RealmId) -> _Held:
    try:
        return _Held(
            storage.watermarks(realm),
            storage.last_loads(realm),
            storage.counts(realm),
            storage.quarantined(realm),
        )
    except BronzeError as error:
        return _Held(failure=error)


def _last_sync(held: _Held, name: str) -> datetime | None:
    """When a load of it was last committed; its watermark where only that moved."""
    load = held.loads.get(name)
    known = [held.watermarks.get(name), None if load is None else load.loaded_at]
    return max((each for each in known if each is not None), default=None)


def _health(
    company: Company,
    life: TokenLife | None,
    facts: SyncFacts,
    found: CompanyProfile | LedgerGuardError,
    bronze: BronzeError | None,
    now: datetime,
) -> Health:
    reasons = []
    if isinstance(found, LedgerGuardError):
        reasons.append(_reason(found, ReasonKind.CALLS_FAIL))
    if bronze is not None:
        reasons.append(_reason(bronze, ReasonKind.SYNC_FAILED))
    else:
        # Whether the connection works was asked, not concluded from what is on record.
        alive = replace(company, status=ConnectionStatus.CONNECTED)
        judged = judge(alive, life or TokenLife(now, None, None, ""), facts, now).reasons
        reasons += [each for each in judged if each.kind is not ReasonKind.NEVER_SYNCED]
        if facts.last_sync_at is None:
            text = "Nothing of it is in Bronze yet. Call run_batch_ingestion()."
            reasons.append(Reason(HealthState.DEGRADED, text, ReasonKind.NEVER_SYNCED))
    order = list(HealthState)
    reasons.sort(key=lambda reason: order.index(reason.state), reverse=True)
    return Health(reasons[0].state if reasons else HealthState.HEALTHY, tuple(reasons))


def _reason(error: LedgerGuardError, kind: ReasonKind) -> Reason:
    passing = isinstance(error, Transient)
    return Reason(HealthState.DEGRADED if passing else HealthState.UNHEALTHY, str(error), kind)
