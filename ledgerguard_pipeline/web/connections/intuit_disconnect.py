"""Where Intuit sends people who disconnected LedgerGuard inside QuickBooks.

Anybody can open this address with any company id, so opening it ends nothing. It only makes us
ask Intuit, once a minute and company at most: if the grant is dead, Intuit says so, and the
company is then shown as what it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.company_state.companies import (
    Company,
    CompanyStore,
    ConnectionStatus,
)
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.values import RealmId, parse_realm
from ledgerguard_pipeline.web.html.error_pages import refusal
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.paths import CONFIRM_PATH, CONNECT_PATH, HOME_PATH
from ledgerguard_pipeline.web.security.rate_limit import ClientRates

INTUIT_DISCONNECT_PATH = "/api/v1/auth/disconnected"
LEAD = (
    "You were sent here because LedgerGuard was disconnected in QuickBooks. There is "
    "nothing more to do. The operator of this server can sign in to see the company."
)

_HOME = ("All companies", HOME_PATH)
_log = structlog.get_logger(__name__)

Ask = Callable[[RealmId], object]
"""Makes one call for a company; a dead grant is noticed and noted by doing so."""


class IntuitDisconnect:
    """Answers the landing page; thread-safe."""

    def __init__(
        self, companies: Callable[[], CompanyStore], ask: Ask, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._companies = companies
        self._ask = ask
        self._lock = threading.Lock()
        self._rates = ClientRates(per_second=1 / 60, burst=1, clock=clock)

    def land(self, request: Request) -> Response:
        """Show the status of the company named, after asking Intuit."""
        realms = request.query_params.getlist("realmId")
        if not any(realms):
            text = "If you disconnected LedgerGuard in QuickBooks, no more data is loaded."
            return HTMLResponse(page("Disconnected in QuickBooks", text, action=_HOME))
        try:
            if len(realms) > 1:
                raise BadInputError("One company at a time.")
            realm = parse_realm(realms[0])
        except BadInputError:
            text = "The address names no QuickBooks company. Nothing was changed."
            return HTMLResponse(page("This link is not complete", text, action=_HOME), 400)
        try:
            company = self._companies().get(realm)
            if company is not None and company.status is ConnectionStatus.CONNECTED:
                company = self._checked(company)
        except LedgerGuardError as error:
            said = refusal(error)
            _log.warning(
                "intuit_disconnect_unchecked", error=type(error).__name__, message=str(error)
            )
            text = "Nothing was changed; the next sync notices connections that ended at Intuit."
            return HTMLResponse(page(said.title, text, action=_HOME), said.status)
        return _reported(company)

    def _checked(self, company: Company) -> Company:
        realm = company.realm_id
        with self._lock:
            if self._rates.wait_seconds(realm) > 0:
                return company
            self._rates.spend(realm)
        try:
            self._ask(realm)
        except LedgerGuardError as error:
            # Its meaning for the company is recorded already; the rest is for the log.
            _log.info("intuit_disconnect_checked", realm_id=realm, error=type(error).__name__)
        return self._companies().get(realm) or company


def intuit_disconnect_router(desk: IntuitDisconnect) -> APIRouter:
    """The route."""
    router = APIRouter()
    router.add_api_route(
        INTUIT_DISCONNECT_PATH, desk.land, methods=["GET"], response_model=None,
        response_class=HTMLResponse,
    )  # fmt: skip
    return router


def _reported(company: Company | None) -> Response:
    if company is None:
        text = "No company of that id is connected here, so there is nothing to end."
        return HTMLResponse(page("Not connected here", text, action=_HOME), 404)
    if company.status is ConnectionStatus.CONNECTED:
        return HTMLResponse(
            page(
                f"{company.name} is still connected",
                "Intuit still accepts this connection. If you want to end it, do it here.",
                action=("Disconnect …", CONFIRM_PATH.format(realm=company.realm_id)),
            )
        )
    return HTMLResponse(
        page(
            f"{company.name} is disconnected",
            "No more data is loaded. Loaded data stays, and connecting the company "
            "again resumes from there.",
            action=("Connect again", CONNECT_PATH),
        )
    )
