"""``POST /companies/{realm}/sync``: Sync now, for a form of the company's own pages."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.html.error_pages import Refusal, page_refusal
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.paths import COMPANY_PATH, SYNC_PATH, named_realm
from ledgerguard_pipeline.web.security.body_reader import BodyRefused
from ledgerguard_pipeline.web.security.forms import FormReader

ENTITY_FIELD = "entity"
_TOO_OLD = Refusal(
    403,
    "Nothing was started",
    "This page is too old, was not opened here, or cookies are off. Open the company again and "
    "press Sync now there.",
)
_log = structlog.get_logger(__name__)


class SyncNow:
    """Notes what was asked for; Dagster's sensor ``sync_requests`` starts it within seconds."""

    def __init__(
        self, settings: Settings, control: Callable[[], ControlPlane], forms: FormReader
    ) -> None:
        self._kept = {each.name for each in settings.kept_entities}
        self._control = control
        self._forms = forms

    async def act(self, request: Request) -> Response:
        """Ask for a sync of all entity types or of one, and go back to the company."""
        try:
            realm = named_realm(request)
            fields = await self._forms.read(request)
            action = SYNC_PATH.format(realm=realm)
            if not await run_in_threadpool(self._forms.trusted, request, fields, action):
                return _answer(_TOO_OLD)
            return await run_in_threadpool(self._ask, realm, fields.get(ENTITY_FIELD, ""))
        except BodyRefused as refused:
            answer = _answer(Refusal(refused.status, "The form was not accepted", refused.text))
            answer.headers["connection"] = "close"
            return answer
        except LedgerGuardError as error:
            _log.warning("sync_not_asked", error=type(error).__name__, message=str(error))
            return _answer(page_refusal(error))

    def _ask(self, realm: RealmId, entity: str) -> Response:
        control, back = self._control(), COMPANY_PATH.format(realm=realm)
        company = control.companies.require(realm)
        if company.not_connected is not None:
            return _answer(Refusal(409, "Nothing was started", company.not_connected), back)
        if entity and entity not in self._kept:
            return _answer(Refusal(400, "Nothing was started", "There is no such type."), back)
        wait = control.sync_requests.ask(realm, entity)
        if wait:
            text = f"A sync was asked for just now; ask again in {counted(ceil(wait), 'second')}."
            answer = _answer(Refusal(429, "One sync at a time", text), back)
            answer.headers["retry-after"] = str(ceil(wait))
            return answer
        return RedirectResponse(back, 303)


def sync_router(now: SyncNow) -> APIRouter:
    """The route."""
    router = APIRouter()
    router.add_api_route(
        SYNC_PATH, now.act, methods=["POST"], response_model=None,
        response_class=HTMLResponse, status_code=303,
    )  # fmt: skip
    return router


def _answer(said: Refusal, back: str = "/") -> Response:
    return HTMLResponse(page(said.title, said.advice, action=("Back", back)), said.status)
