"""``GET /readyz``: whether this process can do its work, and how many companies are well.

Ready means that the control plane and the key ring can be used. A company that is not well is no
reason to take the server away: it is where that company is connected again. Names are shown to
nobody here, so the answer may stay public. ``installation`` lets ``ledgerguard doctor`` tell whose
web edge answers.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.health.summary import read_summaries

READY_PATH = "/readyz"

ANSWER_SECONDS = 5.0
"""How long an answer is good: probes may ask as often as they like."""

_log = structlog.get_logger(__name__)


class Readiness:
    """Looks at most every few seconds; thread-safe."""

    def __init__(
        self,
        settings: Settings,
        control: Callable[[], ControlPlane],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, object] | None] | None = None

    def ready(self) -> Response:
        """200 if work can be done, else 503."""
        with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= ANSWER_SECONDS:
                self._known = (now, self._look())
            found = self._known[1]
        if found is None:
            return JSONResponse({"status": "not_ready", "control": "unavailable"}, 503)
        return JSONResponse({"status": "ready", "control": "ok", **found})

    def _look(self) -> dict[str, object] | None:
        try:
            control = self._control()
            name, *_ = control.keyring.names()
            summaries = read_summaries(control, self._settings)
        except LedgerGuardError as error:
            _log.error("not_ready", error=type(error).__name__, message=str(error))
            return None
        counts = Counter(each.health.state for each in summaries)
        companies = {state.value: counts.get(state, 0) for state in HealthState}
        return {"companies": companies, "installation": name}


def readiness_router(readiness: Readiness) -> APIRouter:
    """The route."""
    router = APIRouter()
    router.add_api_route(
        READY_PATH, readiness.ready, methods=["GET"], response_model=None,
    )  # fmt: skip

    def head() -> Response:
        return Response(status_code=readiness.ready().status_code)

    router.add_api_route(READY_PATH, head, methods=["HEAD"], include_in_schema=False)
    return router
