"""``GET /metrics``: the figures of this installation, gathered when Prometheus asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.tie_outs import BooksBrief
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import COUNTER
from ledgerguard_pipeline.control.webhook_queue.latency import (
    LATENCY_BOUNDS,
    LATENCY_COUNTER,
    LATENCY_SUM,
)
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.observability.company_metrics import (
    BooksFigure,
    BudgetFigure,
    CompanyFigure,
)
from ledgerguard_pipeline.observability.metrics import (
    CONTENT_TYPE,
    CallFigure,
    Figures,
    Latency,
    RowFigure,
    exposition,
)
from ledgerguard_pipeline.web.webhooks.receiver import TOKEN_COUNTER

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore

METRICS_PATH = "/metrics"

LOOK_SECONDS = 15.0
"""Bronze is opened for its figures at most this often: a writer has to wait meanwhile."""

_LOCK_WAIT_SECONDS = 0.2


class RowFigures:
    """What all loads came to, read anew only when the file changed; thread-safe."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._store: BronzeStore | None = None
        self._seen: tuple[int, int] | None = None
        self._looked_at: float | None = None
        self._figures: Sequence[RowFigure] | None = None

    def read(self) -> Sequence[RowFigure] | None:
        """The figures, at worst as they were a moment ago; None if there are none yet."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._look(now)
            return self._figures

    def _look(self, now: float) -> None:
        address = self._settings.bronze_address
        if isinstance(address, Path) and not address.exists():
            return
        from ledgerguard_pipeline.bronze.open_store import open_bronze
        from ledgerguard_pipeline.bronze.read.load_log import load_totals

        self._store = self._store or open_bronze(
            self._settings, clock=self._clock, lock_wait_seconds=_LOCK_WAIT_SECONDS
        )
        seen = self._store.stamp()
        if seen is not None and seen == self._seen:
            return
        self._looked_at = now
        try:
            totals = load_totals(self._store)
        except LedgerGuardError:
            # A load is being written: its figures come the next time.
            return
        self._seen = seen
        self._figures = [RowFigure(each.realm_id, each.entity, each.rows) for each in totals]


def gather(control: ControlPlane, settings: Settings, rows: RowFigures) -> Figures:
    """All figures.

    Raises:
        ControlUnavailable: the control plane cannot be read.
    """
    now = control.now()
    statuses = read_statuses(control, settings, now=now)
    backlog = control.inbox.backlog()
    latency = control.counters.read(LATENCY_COUNTER)
    return Figures(
        deliveries=control.counters.read(COUNTER),
        old_tokens=control.counters.read(TOKEN_COUNTER),
        events={status.value: count for status, count in backlog.by_status.items()},
        queue_depth=sum(each.facts.webhook_depth for each in statuses if each.is_connected),
        queue_age_seconds=max(map(_waiting, statuses), default=0.0),
        latency=Latency(
            {float(bound): count for bound, count in latency.items() if bound != LATENCY_SUM},
            latency.get(LATENCY_SUM, 0.0),
        ),
        latency_bounds=LATENCY_BOUNDS,
        connected={each.company.realm_id: each.is_connected for each in statuses},
        calls=[
            CallFigure(each.realm_id, each.entity, each.status, each.calls, each.metered)
            for each in control.calls.totals()
        ],
        # The first version is the connection itself.
        refreshes={each.company.realm_id: each.life.version - 1 for each in statuses if each.life},
        rows=rows.read(),
        companies=[_company(each, now) for each in statuses],
        budget=_budget(statuses, settings),
    )


def _company(company_status: CompanyStatus, now: datetime) -> CompanyFigure:
    facts, life, calls = company_status.facts, company_status.life, company_status.calls
    ends = {}
    if life is not None:
        ends = {
            "access": life.access_expires_at,
            "refresh": life.refresh_expires_at,
            "grant": life.hard_expires_at,
        }
    last = facts.last_sync_at
    # Of a company that may not be called nothing is promised: as on its page, nothing is late.
    promised = facts.entities if company_status.is_connected else ()
    return CompanyFigure(
        realm_id=company_status.company.realm_id,
        health=company_status.health.state.value,
        sync_age=None if last is None else (now - last).total_seconds(),
        late_entities=sum(each.late(now) for each in promised),
        failed_entities=sum(each.error is not None for each in promised),
        tokens_left={
            kind: (end - now).total_seconds() for kind, end in ends.items() if end is not None
        },
        metered_calls=calls.month_to_date,
        forecast_calls=calls.forecast,
        recent_calls=facts.recent_calls,
        failed_calls=facts.failed_calls,
        cooling_seconds=facts.cooling_seconds,
        quota_exhausted=facts.quota_resumes_at is not None,
        quarantined=facts.quarantined,
        queue_age_seconds=_waiting(company_status),
        parked_events=facts.parked_events,
        books=None if facts.books is None else _books(facts.books, now),
        name=company_status.company.name,
    )


def _waiting(company_status: CompanyStatus) -> float:
    """How long the oldest event has been waiting that could be worked on."""
    return company_status.facts.webhook_age_seconds if company_status.is_connected else 0.0


def _books(books: BooksBrief, now: datetime) -> BooksFigure:
    return BooksFigure(
        state=books.state,
        age_seconds=(now - books.checked_at).total_seconds(),
        unexplained=books.unexplained,
        amount=float(books.amount),
        calls_today=books.calls_on(now.date()),
    )


def _budget(statuses: Sequence[CompanyStatus], settings: Settings) -> BudgetFigure:
    limit = settings.ledgerguard_monthly_call_budget
    if not statuses:
        return BudgetFigure(0, limit, 0)
    calls = statuses[0].calls
    return BudgetFigure(calls.all_companies, limit, calls.all_forecast)


def metrics_router(
    settings: Settings, control: Callable[[], ControlPlane], flush: Callable[[], None]
) -> APIRouter:
    """The route; ``flush`` writes what is counted in this process and not yet stored."""
    router = APIRouter()
    rows = RowFigures(settings)

    def metrics() -> Response:
        """Figures for Prometheus."""
        flush()
        try:
            text = exposition(gather(control(), settings, rows))
        except LedgerGuardError as error:
            return Response(f"{error}\n", 503, media_type="text/plain")
        return Response(text, media_type=CONTENT_TYPE)

    router.add_api_route(
        METRICS_PATH,
        metrics,
        methods=["GET"],
        response_model=None,
        response_class=PlainTextResponse,
    )
    return router
