"""The status of each company: everything the control plane knows, judged once for everybody.

Command line, service, web, metrics, asset checks and alerts all ask here, so they cannot
disagree. Only the control plane is read, never the Bronze file and never Intuit: an answer waits
for no loader, opens no secret, and takes the same number of statements for one company as for a
thousand.

Decision 20 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.capabilities import Lacking
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.control.company_state.sync_state import SyncState
from ledgerguard_pipeline.control.company_state.tie_outs import BooksBrief
from ledgerguard_pipeline.control.leases.sql_store import sync_lease
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.call_ledger import CallUsage, forecast
from ledgerguard_pipeline.control.rate_limits.throttle_log import APP, Refusals
from ledgerguard_pipeline.control.tokens.sql_store import RefreshAttempt, TokenLife
from ledgerguard_pipeline.control.webhook_queue.queue import NO_COMPANY
from ledgerguard_pipeline.control.webhook_queue.queued_event import Backlog
from ledgerguard_pipeline.health.entity_status import (
    SCHEDULE_MINUTES,
    EntityStatus,
    entity_status,
    minutes_between_reads,
    promised_seconds,
    without_what_passed,
)
from ledgerguard_pipeline.health.rules import EntityFacts, Health, SyncFacts, judge
from ledgerguard_pipeline.result import iso
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class MonthlyCalls:
    """Metered reads of one company this month, and what the whole month will come to if every
    day left is like the last 24 hours. The budget is that of all companies together, whose
    figures are ``all_companies`` and ``all_forecast``.
    """

    month_to_date: int
    budget: int | None
    forecast: int
    all_companies: int = 0
    all_forecast: int = 0


@dataclass(frozen=True, slots=True)
class CompanyStatus:
    """Everything there is to show of one company; ``entities`` are the kept ones, by name."""

    company: Company
    life: TokenLife | None
    facts: SyncFacts
    health: Health
    entities: tuple[EntityStatus, ...]
    calls: MonthlyCalls
    read_every_minutes: int = SCHEDULE_MINUTES
    """How often the schedules read changes of it."""

    @property
    def is_connected(self) -> bool:
        """Whether the company may be called."""
        return self.company.status is ConnectionStatus.CONNECTED

    @property
    def rows(self) -> int:
        """Living objects of all kept entities."""
        return sum(each.rows for each in self.entities)

    @property
    def entity_counts(self) -> dict[str, int]:
        """Living objects of each entity of which anything was ever loaded."""
        return {each.entity: each.rows for each in self.entities if each.mode is not None}

    @property
    def watermarks(self) -> dict[str, str | None]:
        """Up to when each entity type was read, as ISO 8601; those that were read completely."""
        return {
            each.entity: iso(each.watermark) for each in self.entities if each.watermark is not None
        }

    def to_json(self) -> dict[str, object]:
        """The company as ``ledgerguard status --json`` and the service report it."""
        company, life, facts = self.company, self.life, self.facts
        return {
            "realm_id": company.realm_id,
            "name": company.name,
            "environment": company.environment.value,
            "health": self.health.state.value,
            "reasons": list(self.health.texts),
            "reason_kinds": [reason.kind.value for reason in self.health.reasons],
            "is_connected": self.is_connected,
            "status": company.status.value,
            "last_sync_time": iso(facts.last_sync_at),
            "entity_counts": self.entity_counts,
            "entities": [each.to_json() for each in self.entities],
            "access_token_expiry": None if life is None else iso(life.access_expires_at),
            "refresh_token_expiry": None if life is None else iso(life.refresh_expires_at),
            "grant_expiry": None if life is None else iso(life.hard_expires_at),
            "last_success_time": iso(company.last_success_at),
            "response_time_ms": company.response_time_ms,
            "is_syncing": facts.syncing,
            "recent_calls": facts.recent_calls,
            "recent_failed_calls": facts.failed_calls,
            "cooling_seconds": round(facts.cooling_seconds, 1),
            "quota_resumes_at": iso(facts.quota_resumes_at),
            "quarantined": facts.quarantined,
            "partial": facts.partial,
            "books": _books(facts.books),
            "api_calls_this_month": self.calls.month_to_date,
            "api_calls_forecast": self.calls.forecast,
            "api_calls_all_companies": self.calls.all_companies,
            "api_calls_all_forecast": self.calls.all_forecast,
            "api_call_budget": self.calls.budget,
            "webhook_queue_depth": facts.webhook_depth,
            "webhook_queue_age_seconds": round(facts.webhook_age_seconds, 1),
            "parked_events": facts.parked_events,
        }


def read_statuses(
    control: ControlPlane,
    settings: Settings,
    *,
    realms: Sequence[RealmId] | None = None,
    now: datetime | None = None,
) -> list[CompanyStatus]:
    """The status of every company of the environment, or of some, by name.

    Raises:
        ControlUnavailable: the control plane cannot be read.
    """
    companies = control.companies.list()
    minutes = minutes_between_reads(settings, connected_among(companies))
    if realms is not None:
        wanted = frozenset(realms)
        companies = [company for company in companies if company.realm_id in wanted]
    moment = control.now() if now is None else now
    known = read_known(control, companies, realms, control.sync_states.read(realms))
    reader = StatusReader(known, settings, moment, minutes)
    return [reader.company_status(company) for company in companies]


def connected_among(companies: Iterable[Company]) -> int:
    """How many of them may be called."""
    return sum(each.status is ConnectionStatus.CONNECTED for each in companies)


def read_known(
    control: ControlPlane,
    companies: Sequence[Company],
    realms: Sequence[RealmId] | None,
    sync_states: Mapping[RealmId, Mapping[str, SyncState]],
) -> StatusInputs:
    """Everything but the companies, in a number of statements that does not grow with them."""
    lives = control.tokens.lives(realms)
    sealing = {life.key_id for life in lives.values()}
    return StatusInputs(
        lives=lives,
        sync_states=sync_states,
        usage=control.calls.usage(),
        backlogs=control.inbox.backlogs(realms),
        cooling=control.limiter.cooling([company.realm_id for company in companies]),
        refusals=control.refusals.read(realms),
        key_ids=frozenset(key_id for key_id in sealing if control.keyring.holds(key_id)),
        concerns=control.concerns.read(),
        bronze_trouble=control.bronze_trouble.read(),
        books=control.tie_outs.briefs(realms),
        gaps=control.sync_states.gaps.read(realms),
        doubts=control.sync_states.doubts.read(realms),
        lacking=control.capabilities.lacking(realms),
        refreshes=control.tokens.attempts(realms),
        syncing=control.leases.held(
            [
                sync_lease(company.environment, company.realm_id)
                for company in companies
                if company.status is ConnectionStatus.CONNECTED
            ]
        ),
    )


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """What was read for all companies at once."""

    lives: Mapping[RealmId, TokenLife]
    sync_states: Mapping[RealmId, Mapping[str, SyncState]]
    usage: Mapping[RealmId, CallUsage]
    backlogs: Mapping[RealmId, Backlog]
    cooling: Mapping[RealmId, float]
    refusals: Mapping[RealmId, Refusals]
    key_ids: frozenset[str]
    concerns: tuple[str, ...]
    bronze_trouble: str | None
    books: Mapping[RealmId, BooksBrief]
    gaps: Mapping[RealmId, tuple[CountGap, ...]]
    doubts: Mapping[RealmId, tuple[Doubt, ...]]
    lacking: Mapping[RealmId, Lacking]
    refreshes: Mapping[RealmId, RefreshAttempt]
    syncing: frozenset[str]
    """Leases on syncing a company that somebody holds."""


class StatusReader:
    """Judges companies by what was read for all of them; changes are read every so many minutes."""

    def __init__(
        self, known: StatusInputs, settings: Settings, now: datetime, minutes: int
    ) -> None:
        self._known = known
        self._now = now
        self._budget = settings.ledgerguard_monthly_call_budget
        self._minutes = minutes
        self._promises = {
            each.name: promised_seconds(each, minutes) for each in settings.kept_entities
        }
        self._used = sum(each.month_to_date for each in known.usage.values())
        last_day = sum(each.last_day for each in known.usage.values())
        self._forecast = forecast(self._used, last_day, now)

    def company_status(
        self, company: Company, stand_ins: tuple[EntityStatus, ...] | None = None
    ) -> CompanyStatus:
        """Its status, by its kept entities or by others that represent them."""
        realm = company.realm_id
        life = self._known.lives.get(realm)
        entities = self._entities(company) if stand_ins is None else stand_ins
        facts = self._facts(company, life, entities)
        return CompanyStatus(
            company=company,
            life=life,
            facts=facts,
            health=judge(company, life, facts, self._now),
            entities=entities,
            calls=self._calls(realm),
            read_every_minutes=self._minutes,
        )

    def _calls(self, realm: RealmId) -> MonthlyCalls:
        usage = self._known.usage.get(realm, CallUsage())
        return MonthlyCalls(
            usage.month_to_date,
            self._budget,
            forecast(usage.month_to_date, usage.last_day, self._now),
            self._used,
            self._forecast,
        )

    def _entities(self, company: Company) -> tuple[EntityStatus, ...]:
        sync_states = self._known.sync_states.get(company.realm_id, {})
        return without_what_passed(
            [
                entity_status(sync_states.get(name) or SyncState(name), promised)
                for name, promised in self._promises.items()
            ],
            company.connected_at,
        )

    def _facts(
        self,
        company: Company,
        life: TokenLife | None,
        entities: Sequence[EntityStatus],
    ) -> SyncFacts:
        realm = company.realm_id
        usage = self._known.usage.get(realm, CallUsage())
        backlog = self._known.backlogs.get(realm)
        stray = self._known.backlogs.get(NO_COMPANY)
        app = self._known.refusals.get(APP)
        of_app = app is not None and app.resumes_at is not None
        run = app if of_app else self._known.refusals.get(realm)
        lacking = self._known.lacking.get(realm, Lacking())
        sealed_elsewhere = life is not None and life.key_id not in self._known.key_ids
        return SyncFacts(
            entities=tuple(
                EntityFacts(
                    each.entity,
                    each.last_sync_at,
                    each.promised_seconds,
                    each.error,
                    each.failure,
                    each.failed_at,
                    each.quarantined,
                )
                for each in entities
            ),
            rows=sum(each.rows for each in entities),
            kept_entities=len(self._promises),
            syncing=sync_lease(company.environment, realm) in self._known.syncing,
            quarantined=sum(each.quarantined for each in entities),
            partial=sum(each.partial for each in entities),
            count_gaps=tuple(
                each for each in self._known.gaps.get(realm, ()) if each.entity in self._promises
            ),
            books=self._known.books.get(realm),
            doubted=tuple(
                each.entity
                for each in self._known.doubts.get(realm, ())
                if each.entity in self._promises
            ),
            withheld=tuple(name for name in lacking.withheld if name in self._promises),
            custom_fields_ignored=lacking.custom_fields,
            key_missing=life.key_id if life is not None and sealed_elsewhere else None,
            store_concerns=self._known.concerns,
            bronze_trouble=self._known.bronze_trouble,
            all_calls_this_month=self._used,
            monthly_budget=self._budget,
            recent_calls=usage.recent,
            failed_calls=usage.failed,
            cooling_seconds=self._known.cooling.get(realm, 0.0),
            quota_resumes_at=None if run is None else run.resumes_at,
            quota_of_app=of_app,
            refresh=self._known.refreshes.get(realm),
            webhook_depth=0 if backlog is None else backlog.depth,
            webhook_age_seconds=0.0 if backlog is None else backlog.age_seconds,
            parked_events=0 if backlog is None else backlog.parked,
            stray_events=0 if stray is None else stray.parked,
        )


def _books(books: BooksBrief | None) -> dict[str, object] | None:
    if books is None:
        return None
    return {
        "state": books.state,
        "checked_at": iso(books.checked_at),
        "tied_out_at": iso(books.tied_out_at),
        "accounts": books.accounts,
        "unexplained": books.unexplained,
        "amount": str(books.amount),
        "first_seen": iso(books.first_seen),
        "finding": None if books.finding is None else books.finding.name,
        "left_out": books.left_out,
    }
