"""``GET /api/v1/status`` and ``/api/v1/companies``: the company page for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.health.summary import CompanyHealth, read_summaries
from ledgerguard_pipeline.web.company_pages.listing import Listing, ListingQuery, in_order, listing
from ledgerguard_pipeline.web.html.error_pages import page_refusal
from ledgerguard_pipeline.web.html.time_format import iso

STATUS_PATH = "/api/v1/status"
COMPANIES_PATH = "/api/v1/companies"

_log = structlog.get_logger(__name__)


class StatusApi:
    """Answers from the control plane alone, by the status everybody shows."""

    def __init__(self, settings: Settings, control: Callable[[], ControlPlane]) -> None:
        self._settings = settings
        self._control = control

    def status(self, request: Request) -> Response:
        """Everything there is to know of the companies asked for, as ``ledgerguard status``."""
        return self._answer(request, CompanyStatus.to_json)

    def companies(self, request: Request) -> Response:
        """The companies asked for: connection, health, and why."""
        return self._answer(request, _brief)

    def _answer(
        self, request: Request, tell: Callable[[CompanyStatus], dict[str, object]]
    ) -> Response:
        try:
            query = ListingQuery.of(request.query_params)
            control = self._control()
            now = control.now()
            summaries = read_summaries(control, self._settings, now=now)
            found = listing(summaries, query)
            shown = read_statuses(control, self._settings, realms=found.realms, now=now)
            body = {
                "as_of": iso(now),
                "environment": self._settings.intuit_env.value,
                **_totals(found),
                "calls": _calls(summaries, self._settings.ledgerguard_monthly_call_budget),
                "companies": [tell(each) for each in in_order(shown, found.realms)],
            }
        except LedgerGuardError as error:
            said = page_refusal(error)
            _log.warning("status_refused", error=type(error).__name__, message=str(error))
            return JSONResponse({"status": "error", "message": said.advice}, said.status)
        return JSONResponse(body)


def status_router(api: StatusApi) -> APIRouter:
    """The routes."""
    router = APIRouter()
    for path, endpoint in ((STATUS_PATH, api.status), (COMPANIES_PATH, api.companies)):
        router.add_api_route(
            path, endpoint, methods=["GET"], response_model=None,
        )  # fmt: skip
    return router


def _totals(found: Listing) -> dict[str, object]:
    return {
        "page": found.query.page,
        "pages": found.pages,
        "size": found.query.size,
        "matching": found.matching,
        "by_health": {state.value: found.counts.get(state, 0) for state in HealthState},
    }


def _calls(summaries: Sequence[CompanyHealth], budget: int) -> dict[str, int]:
    used = summaries[0].calls if summaries else None
    return {
        "month_to_date": used.all_companies if used else 0,
        "forecast": used.all_forecast if used else 0,
        "budget": budget,
    }


def _brief(company_status: CompanyStatus) -> dict[str, object]:
    company = company_status.company
    last = company_status.facts.last_sync_at
    return {
        "realm_id": company.realm_id,
        "name": company.name,
        "environment": company.environment.value,
        "status": company.status.value,
        "is_connected": company_status.is_connected,
        "connected_at": iso(company.connected_at),
        "health": company_status.health.state.value,
        "reasons": list(company_status.health.texts),
        "reason_kinds": [reason.kind.value for reason in company_status.health.reasons],
        "last_sync_time": None if last is None else iso(last),
        "rows": company_status.rows,
    }
