"""What a page shows of one company, of failures and of webhook events; ready for the templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.webhook_queue.queued_event import QueuedEvent
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.failure import cause_of
from ledgerguard_pipeline.health.blocking_failures import bars
from ledgerguard_pipeline.health.company_status import CompanyStatus, MonthlyCalls
from ledgerguard_pipeline.health.entity_status import EntityStatus
from ledgerguard_pipeline.health.rules import LATE_AFTER, WARN_DAYS, Reason, ReasonKind
from ledgerguard_pipeline.health.summary import CompanyHealth
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.quickbooks_links import document_link
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline.web.company_pages.dagster_links import DagsterLinks
from ledgerguard_pipeline.web.paths import COMPANY_PATH, CONFIRM_PATH

MOST_FAILURES = 20

_TABLES = {entity.name: entity.table for entity in ENTITIES}
_CONNECTION = frozenset(
    {
        ReasonKind.NEEDS_REAUTH,
        ReasonKind.NO_TOKENS,
        ReasonKind.KEY_MISSING,
        ReasonKind.GRANT_ENDED,
        ReasonKind.ACCESS_DENIED,
        ReasonKind.COMPANY_UNAVAILABLE,
        ReasonKind.CREDENTIALS_REJECTED,
        ReasonKind.MISCONFIGURED,
        ReasonKind.QUOTA_EXHAUSTED,
        ReasonKind.REFRESH_FAILS,
        ReasonKind.BRONZE_UNUSABLE,
    }
)
"""Reasons that are failures of the whole company; its card says the same."""
_OVER_WITH_CONSENT = frozenset(
    {
        ReasonKind.DISCONNECTED,
        ReasonKind.NEEDS_REAUTH,
        ReasonKind.NO_TOKENS,
        ReasonKind.KEY_MISSING,
        ReasonKind.GRANT_ENDED,
        ReasonKind.GRANT_ENDS,
        ReasonKind.ACCESS_DENIED,
        ReasonKind.RIGHTS_IN_DOUBT,
    }
)
"""Reasons that say, or whose runbook says, to connect the company again."""
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EntityLine:
    """One entity type of a company; ``table`` names its asset."""

    entity: str
    table: str
    last_sync_at: datetime | None
    rows: int
    mode: str | None
    error: str | None
    late: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One company."""

    realm_id: str
    name: str
    state: str
    reasons: Sequence[Reason]
    connected: bool
    connected_at: datetime
    last_sync_at: datetime | None
    last_success_at: datetime | None
    response_time_ms: float | None
    refresh_ends: datetime | None
    consent_ends: datetime | None
    """Ends that somebody has to act on soon; as long as syncs renew them nobody has to."""
    rows: int
    calls: MonthlyCalls
    entities: Sequence[EntityLine]
    path: str
    disconnect_path: str | None
    """None for a company that was disconnected on purpose."""
    connect_again: bool
    """Whether a new consent is what it needs, or soon will."""

    @property
    def filled(self) -> int:
        """Entity types of which there is at least one row."""
        return sum(1 for each in self.entities if each.rows)

    @property
    def late(self) -> int:
        """Entity types that are older than promised."""
        return sum(1 for each in self.entities if each.late)

    @property
    def unloaded(self) -> int:
        """Entity types that were never loaded completely."""
        return sum(1 for each in self.entities if each.last_sync_at is None)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong; ``path`` leads to its company, where that is known."""

    what: str
    company: str
    path: str | None
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """One webhook event; ``path`` as in ``Failure``."""

    what: str
    change: str
    company: str
    path: str | None
    at: datetime
    status: str
    record: str | None = None
    """Its page in QuickBooks."""
    versions: str | None = None
    """Where Dagster shows its type's table of versions."""


def card(company_status: CompanyStatus, now: datetime) -> Card:
    """A company as its card shows it; a company that is not connected has no token life."""
    company = company_status.company
    life = company_status.life if company_status.is_connected else None
    return Card(
        realm_id=company.realm_id,
        name=company.name,
        state=company_status.health.state.value,
        reasons=company_status.health.reasons,
        connected=company_status.is_connected,
        connected_at=company.connected_at,
        last_sync_at=company_status.facts.last_sync_at,
        last_success_at=company.last_success_at,
        response_time_ms=company.response_time_ms,
        refresh_ends=None if life is None else _soon(life.refresh_expires_at, now),
        consent_ends=None if life is None else _soon(life.hard_expires_at, now),
        rows=company_status.rows,
        calls=company_status.calls,
        entities=[_line(each, now) for each in company_status.entities],
        path=COMPANY_PATH.format(realm=company.realm_id),
        disconnect_path=None
        if company.status is ConnectionStatus.DISCONNECTED
        else CONFIRM_PATH.format(realm=company.realm_id),
        connect_again=any(
            each.kind in _OVER_WITH_CONSENT for each in company_status.health.reasons
        ),
    )


def failures(summaries: Iterable[CompanyHealth], parked: Iterable[QueuedEvent]) -> list[Failure]:
    """What failed last: events nobody could act upon, and entity types that could not be read."""
    known = list(summaries)
    found = [*_parked(parked, company_names(known)), *_unread(known)]
    found.sort(key=lambda each: each.at or _NEVER, reverse=True)
    return found[:MOST_FAILURES]


def event_lines(
    events: Iterable[QueuedEvent],
    names: Mapping[str, str],
    environment: Environment,
    links: DagsterLinks | None,
) -> list[EventLine]:
    """Events with their status, in the order given."""
    return [
        EventLine(
            what=_object(each),
            change=each.event.operation.value if each.event.entity else "-",
            company=names.get(each.event.realm_id, each.event.realm_id or "unknown"),
            path=_path(each.event.realm_id, names),
            at=each.received_at,
            status=each.status.value,
            record=_record(each, environment),
            versions=_versions(each, links),
        )
        for each in events
    ]


def company_names(summaries: Iterable[CompanyHealth]) -> dict[str, str]:
    """Names by company id."""
    return {each.company.realm_id: each.company.name for each in summaries}


def _soon(end: datetime | None, now: datetime) -> datetime | None:
    """An end within the first warning's reach; None for one that needs nobody yet."""
    return end if end is not None and end - now <= timedelta(days=max(WARN_DAYS)) else None


def _line(each: EntityStatus, now: datetime) -> EntityLine:
    at = each.last_sync_at
    late = at is not None and (now - at).total_seconds() > LATE_AFTER * each.promised_seconds
    table = _TABLES.get(each.entity, each.entity)
    return EntityLine(each.entity, table, at, each.rows, each.mode, each.error, late)


def _parked(parked: Iterable[QueuedEvent], names: Mapping[str, str]) -> Iterator[Failure]:
    for each in parked:
        yield Failure(
            what=f"Webhook event: {_object(each)}",
            company=names.get(each.event.realm_id, each.event.realm_id or "unknown"),
            path=_path(each.event.realm_id, names),
            at=each.settled_at or each.received_at,
            why=each.reason or "It failed too often.",
        )


def _unread(summaries: Iterable[CompanyHealth]) -> Iterator[Failure]:
    """What keeps a whole company from being read, and types that failed, one row for each cause."""
    for summary in summaries:
        company = summary.company
        path = COMPANY_PATH.format(realm=company.realm_id)
        barred = next((each for each in summary.health.reasons if each.kind in _CONNECTION), None)
        causes: dict[str, list[EntityStatus]] = {}
        by_it = []
        for each in summary.failed:
            if barred is None or not bars(each.failure):
                causes.setdefault(cause_of(each.error or ""), []).append(each)
            else:
                by_it.append(each)
        if barred is not None:
            since = company.error_at or _latest(by_it)
            yield Failure("Connection", company.name, path, since, barred.text)
        for cause, entities in causes.items():
            named = entities[0].entity if len(entities) == 1 else None
            yield Failure(
                what=f"Reading {named or counted(len(entities), 'entity type')}",
                company=company.name,
                path=path,
                at=_latest(entities),
                why=cause,
            )


def _latest(failed: Iterable[EntityStatus]) -> datetime | None:
    return max((each.failed_at for each in failed if each.failed_at), default=None)


def _record(each: QueuedEvent, environment: Environment) -> str | None:
    event = each.event
    if not event.realm_id or not event.object_id:
        return None
    return document_link(environment, event.realm_id, event.entity, event.object_id)


def _versions(each: QueuedEvent, links: DagsterLinks | None) -> str | None:
    table = _TABLES.get(each.event.entity)
    return None if links is None or table is None else links.asset(table)


def _object(each: QueuedEvent) -> str:
    event = each.event
    return f"{event.entity} {event.object_id}".strip() or "unreadable"


def _path(realm: str, names: Mapping[str, str]) -> str | None:
    return COMPANY_PATH.format(realm=realm) if realm in names else None
