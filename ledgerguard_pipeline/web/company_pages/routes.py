"""``GET /`` and ``GET /companies/{realm}``: the status of every company, for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import URL

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.sync_requests import AskedSync
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus, QueuedEvent
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.health.summary import CompanyHealth, read_summaries
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.company_pages.books import books_view
from ledgerguard_pipeline.web.company_pages.dagster_links import DagsterLinks
from ledgerguard_pipeline.web.company_pages.history import history_view
from ledgerguard_pipeline.web.company_pages.listing import (
    WORST_FIRST,
    Listing,
    ListingQuery,
    in_order,
    listing,
)
from ledgerguard_pipeline.web.company_pages.view_models import (
    card,
    company_names,
    event_lines,
    failures,
)
from ledgerguard_pipeline.web.html.connect_button import ConnectButton
from ledgerguard_pipeline.web.html.error_pages import page_refusal
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.html.rendering import render
from ledgerguard_pipeline.web.paths import (
    COMPANY_PATH,
    HOME_PATH,
    SIGN_OUT_PATH,
    SYNC_PATH,
    named_realm,
)
from ledgerguard_pipeline.web.security.request_origin import Visitor
from ledgerguard_pipeline.web.security.sessions import BrowserSession, Sessions

LATEST_EVENTS = 12
LATEST_PARKED = 10

REFRESH_SECONDS = 5
"""Long enough to reach a link by keyboard, short enough to see rows come in."""

STARTS_WITHIN = timedelta(minutes=1)
"""How long a page waits for a sync that was asked for."""

_FOLLOW = "follow"

_HOME = ("All companies", HOME_PATH)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SyncForm:
    """Sync now: where it is sent, when and for what it was pressed, when the schedule reads next.

    An empty ``asked_entity`` means all types.
    """

    path: str
    token: str
    asked_at: datetime | None
    asked_entity: str
    next_at: datetime

    @classmethod
    def of(
        cls,
        sessions: Sessions,
        session: BrowserSession,
        company_status: CompanyStatus,
        asked: AskedSync | None,
        now: datetime,
    ) -> SyncForm | None:
        """The form; None for a company that may not be called."""
        if not company_status.is_connected:
            return None
        last = company_status.facts.last_sync_at
        waits = asked is not None and (last is None or asked.asked_at > last)
        path = SYNC_PATH.format(realm=company_status.company.realm_id)
        return cls(
            path,
            sessions.form_token(session, path),
            asked.asked_at if asked is not None and waits else None,
            "" if asked is None else asked.entity,
            _next(now, company_status.read_every_minutes),
        )

    def waits(self, now: datetime) -> bool:
        """Whether what was asked for may still begin any moment."""
        return self.asked_at is not None and now - self.asked_at < STARTS_WITHIN


def _next(now: datetime, minutes: int) -> datetime:
    """The next full span of so many minutes of the day, as schedules and sweeps count them."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    span = timedelta(minutes=minutes)
    return midnight + span * ((now - midnight) // span + 1)


@dataclass(frozen=True, slots=True)
class SignOut:
    """The form that ends a session."""

    path: str
    token: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """How a page follows what runs: ``seconds`` until it loads itself again, None for never.

    ``stop`` and ``go_on`` are its addresses without and with that; nobody has to endure it.
    """

    seconds: int | None
    stopped: bool
    stop: str
    go_on: str

    @classmethod
    def of(cls, request: Request, *, running: bool) -> Refresh:
        """While something runs, unless the address says that it was stopped."""
        stopped = request.query_params.get(_FOLLOW) == "no"
        stop = request.url.include_query_params(**{_FOLLOW: "no"})
        go_on = request.url.remove_query_params(_FOLLOW)
        seconds = REFRESH_SECONDS if running and not stopped else None
        return cls(seconds, stopped, _local(stop), _local(go_on))


def _local(url: URL) -> str:
    return f"{url.path}?{url.query}" if url.query else url.path


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page."""

    environment: str
    now: datetime
    links: DagsterLinks | None
    sign_out: SignOut | None
    refresh: Refresh
    empty: bool
    """No company was ever connected: the page waits for the first one."""


class CompanyPages:
    """Renders from the control plane alone: no page ever waits for a load."""

    def __init__(
        self,
        settings: Settings,
        control: Callable[[], ControlPlane],
        sessions: Sessions,
        button: ConnectButton,
    ) -> None:
        self._button = button
        self._settings = settings
        self._control = control
        self._sessions = sessions

    def overview(self, request: Request) -> Response:
        """All companies, worst first, with the latest events and failures."""
        try:
            query = ListingQuery.of(request.query_params)
            html = self._overview(request, query)
        except LedgerGuardError as error:
            return _refused(error)
        return HTMLResponse(html)

    def detail(self, request: Request) -> Response:
        """One company."""
        try:
            visitor = Visitor.of(request)
            known = self._sessions.read(visitor.cookies, secure=visitor.https)
            session = known or self._sessions.start()
            answer = HTMLResponse(self._detail(request, named_realm(request), session))
            if known is None:  # the form of Sync now is good in this browser only
                answer.headers["set-cookie"] = self._sessions.cookie(session, secure=visitor.https)
        except LedgerGuardError as error:
            return _refused(error)
        return answer

    def _overview(self, request: Request, query: ListingQuery) -> str:
        control = self._control()
        now = control.now()
        summaries = read_summaries(control, self._settings, now=now)
        found = listing(summaries, query)
        if query.page > found.pages:
            found = listing(
                summaries, ListingQuery(query.state, query.text, found.pages, query.size)
            )
        shown = read_statuses(control, self._settings, realms=found.realms, now=now)
        parked = control.inbox.list(status=EventStatus.PARKED, limit=LATEST_PARKED)
        latest = control.inbox.list(limit=LATEST_EVENTS)
        frame = self._frame(request, now, shown, empty=not summaries)
        return render(
            "companies.html",
            {
                "frame": frame,
                "links": frame.links,
                "now": now,
                "known": len(summaries),
                "query": found.query,
                "states": WORST_FIRST,
                "counts": {state: found.counts.get(state, 0) for state in HealthState},
                "pages": found.pages,
                "heading": _heading(found),
                "cards": [card(each, now) for each in in_order(shown, found.realms)],
                "calls": summaries[0].calls if summaries else None,
                "failures": failures(summaries, parked),
                "events": event_lines(
                    latest, company_names(summaries), self._settings.intuit_env, frame.links
                ),
                "connect": self._button,
            },
        )

    def _detail(self, request: Request, realm: RealmId, session: BrowserSession) -> str:
        control = self._control()
        company = control.companies.require(realm)
        now = control.now()
        company_status = read_statuses(control, self._settings, realms=[company.realm_id], now=now)[
            0
        ]
        summary = CompanyHealth.of(company_status)
        latest = _latest(control, company.realm_id)
        parked = [each for each in latest if each.status is EventStatus.PARKED]
        sync = SyncForm.of(
            self._sessions,
            session,
            company_status,
            control.sync_requests.read().get(realm),
            now,
        )
        frame = self._frame(
            request, now, [company_status], waits=sync is not None and sync.waits(now)
        )
        return render(
            "company.html",
            {
                "frame": frame,
                "links": frame.links,
                "now": now,
                "card": card(company_status, now),
                "connect": self._button,
                "sync": sync,
                "history": history_view(control, company.realm_id, now, company_status.calls),
                "books": books_view(
                    control.tie_outs.read(company.realm_id),
                    company.environment,
                    company.realm_id,
                    now,
                    frame.links,
                ),
                "failures": failures([summary], parked),
                "events": event_lines(
                    latest[:LATEST_EVENTS],
                    company_names([summary]),
                    company.environment,
                    frame.links,
                ),
            },
        )

    def _frame(
        self,
        request: Request,
        now: datetime,
        shown: Sequence[CompanyStatus],
        *,
        waits: bool = False,
        empty: bool = False,
    ) -> Frame:
        visitor = Visitor.of(request)
        session = self._sessions.read(visitor.cookies, secure=visitor.https)
        sign_out = None
        if session is not None and session.admin:
            token = self._sessions.form_token(session, SIGN_OUT_PATH)
            sign_out = SignOut(SIGN_OUT_PATH, token)
        links = DagsterLinks.seen_from(self._settings, visitor.host)
        running = any(
            each.facts.syncing or each.health.state is HealthState.LOADING for each in shown
        )
        refresh = Refresh.of(request, running=running or waits or empty)
        return Frame(self._settings.intuit_env.value, now, links, sign_out, refresh, empty)


def companies_router(pages: CompanyPages) -> APIRouter:
    """The routes. Synchronous: they read the database in the server's thread pool."""
    router = APIRouter()
    router.add_api_route(
        HOME_PATH, pages.overview, methods=["GET"], response_model=None,
        response_class=HTMLResponse,
    )  # fmt: skip
    router.add_api_route(
        COMPANY_PATH, pages.detail, methods=["GET"], response_model=None,
        response_class=HTMLResponse,
    )  # fmt: skip
    return router


def _latest(control: ControlPlane, realm: str) -> list[QueuedEvent]:
    """A company's latest events; asked for state by state, which the table has an index for."""
    found = [
        each
        for status in EventStatus
        for each in control.inbox.list(status=status, realm=realm, limit=LATEST_EVENTS)
    ]
    return sorted(found, key=lambda each: each.seq, reverse=True)


def _heading(found: Listing) -> str:
    what = f"{found.query.state.value} " if found.query.state else ""
    noun = "company" if found.matching == 1 else "companies"
    count = f"{found.matching:,} {what}{noun}"
    if found.pages == 1:
        return count
    last = found.first + len(found.shown) - 1
    return f"{found.first:,} to {last:,} of {count}, worst first"


def _refused(error: LedgerGuardError) -> Response:
    said = page_refusal(error)
    tell = _log.info if isinstance(error, BadInputError) else _log.error
    tell("page_refused", error=type(error).__name__, message=str(error))
    return HTMLResponse(page(said.title, said.advice, action=_HOME), said.status)
