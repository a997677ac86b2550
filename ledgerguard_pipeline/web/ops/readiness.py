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
from ledgerguard_pipeline.values import RealmId

READY_PATH = "/readyz"

ANSWER_SECONDS = 5.0
"""How long an answer is good: probes may ask as often as they like."""

COUNTING_SHARE = 0.05
"""Of the time that may go into judging all companies; of very many that takes seconds."""

_NOBODY = RealmId("")
_log = structlog.get_logger(__name__)


class Readiness:
    """Looks at most every few seconds; thread-safe.

    Whether the stores answer is asked anew each time, how the companies are as often as that is
    cheap: meanwhile, and while somebody else counts, the counts of before are good enough.
    """

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
        self._looking = threading.Lock()
        self._counting = threading.Lock()
        self._looked_at: float | None = None
        self._installation: str | None = None
        self._counts: dict[str, int] | None = None
        self._counted_until = 0.0

    def ready(self) -> Response:
        """200 if work can be done, else 503."""
        try:
            installation = self._usable()
            counts = None if installation is None else self._counted()
        except LedgerGuardError as error:
            _log.error("not_ready", error=type(error).__name__, message=str(error))
            installation, counts = None, None
        if installation is None or counts is None:
            return JSONResponse({"status": "not_ready", "control": "unavailable"}, 503)
        return JSONResponse(
            {"status": "ready", "control": "ok", "companies": counts, "installation": installation}
        )

    def _usable(self) -> str | None:
        """The installation's name if the stores and the keys can be used; None while they cannot."""
        with self._looking:
            now = self._clock.monotonic()
            if self._looked_at is None or now - self._looked_at >= ANSWER_SECONDS:
                self._looked_at, self._installation = now, None
                control = self._control()
                name, *_ = control.keyring.names()
                control.bronze_trouble.read()
                control.tokens.version(_NOBODY)  # they may be in another store
                self._installation = name
            return self._installation

    def _counted(self) -> dict[str, int] | None:
        """How many companies are in each state of health."""
        if self._counting.acquire(blocking=self._counts is None):
            try:
                began = self._clock.monotonic()
                if self._counts is None or began >= self._counted_until:
                    self._counts = self._count()
                    ended = self._clock.monotonic()
                    rest = max(ANSWER_SECONDS, (ended - began) / COUNTING_SHARE)
                    self._counted_until = ended + rest
            finally:
                self._counting.release()
        return self._counts

    def _count(self) -> dict[str, int]:
        summaries = read_summaries(self._control(), self._settings)
        counts = Counter(each.health.state for each in summaries)
        return {state.value: counts.get(state, 0) for state in HealthState}


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
