"""``GET /metrics``: the figures of this installation, gathered when Prometheus asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.companies import ConnectionStatus
from ledgerguard_pipeline.control.deliveries import COUNTER
from ledgerguard_pipeline.control.inbox import LATENCY_BOUNDS, LATENCY_COUNTER, LATENCY_SUM
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.metrics import (
    CONTENT_TYPE,
    CallFigure,
    Figures,
    Latency,
    RowFigure,
    exposition,
)
from ledgerguard_pipeline.settings import Settings
from ledgerguard_pipeline.web import described
from ledgerguard_pipeline.web.webhooks import TOKEN_COUNTER

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore

METRICS_PATH = "/metrics"

LOOK_SECONDS = 15.0
"""Bronze is opened for its figures at most this often: a writer has to wait meanwhile."""

_LOCK_WAIT_SECONDS = 0.2
_OUTCOMES = ("written", "deleted", "unchanged", "stale", "quarantined")
_LOADED = (
    "SELECT realm_id, entity, "
    + ", ".join(f"sum({name})::BIGINT" for name in _OUTCOMES)
    + " FROM bronze._loads GROUP BY realm_id, entity ORDER BY realm_id, entity"
)


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
        try:
            stat = self._settings.bronze_path.stat()
        except (OSError, LedgerGuardError):
            return
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen == self._seen:
            return
        from ledgerguard_pipeline.bronze.store import BronzeStore

        self._store = self._store or BronzeStore(
            self._settings.bronze_path,
            self._settings.intuit_env,
            clock=self._clock,
            lock_wait_seconds=_LOCK_WAIT_SECONDS,
        )
        self._looked_at = now
        try:
            rows = self._store.sql(_LOADED).rows
        except LedgerGuardError:
            # A load is being written: its figures are told the next time.
            return
        self._seen = seen
        self._figures = [
            RowFigure(
                str(row[0]),
                str(row[1]),
                {name: int(str(count)) for name, count in zip(_OUTCOMES, row[2:], strict=True)},
            )
            for row in rows
        ]


def gather(control: ControlPlane, rows: RowFigures) -> Figures:
    """Everything there is to tell.

    Raises:
        ControlUnavailable: the control plane cannot be read.
    """
    companies = control.companies.list()
    backlog = control.inbox.backlog()
    latency = control.counters.read(LATENCY_COUNTER)
    refreshes = {each.realm_id: control.tokens.version(each.realm_id) for each in companies}
    return Figures(
        deliveries=control.counters.read(COUNTER),
        old_tokens=control.counters.read(TOKEN_COUNTER),
        events={status.value: count for status, count in backlog.by_status.items()},
        queue_depth=backlog.depth,
        queue_age_seconds=backlog.age_seconds,
        latency=Latency(
            {float(bound): count for bound, count in latency.items() if bound != LATENCY_SUM},
            latency.get(LATENCY_SUM, 0.0),
        ),
        latency_bounds=LATENCY_BOUNDS,
        connected={each.realm_id: each.status is ConnectionStatus.CONNECTED for each in companies},
        calls=[
            CallFigure(each.realm_id, each.entity, each.status, each.calls, each.metered)
            for each in control.calls.totals()
        ],
        # The first version is the connection itself.
        refreshes={realm: version - 1 for realm, version in refreshes.items() if version},
        rows=rows.read(),
    )


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
            text = exposition(gather(control(), rows))
        except LedgerGuardError as error:
            return Response(f"{error}\n", 503, media_type="text/plain")
        return Response(text, media_type=CONTENT_TYPE)

    router.add_api_route(
        METRICS_PATH,
        metrics,
        methods=["GET"],
        response_model=None,
        response_class=PlainTextResponse,
        responses=described.METRICS,
    )
    return router
