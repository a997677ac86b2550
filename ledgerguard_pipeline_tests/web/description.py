"""What each route of the edge takes and answers, as OpenAPI; the tests hold the edge to it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.utils import deep_dict_update

from ledgerguard_pipeline.values import REALM_FORM
from ledgerguard_pipeline.web.app import HEALTH_PATH
from ledgerguard_pipeline.web.company_pages.json_api import COMPANIES_PATH, STATUS_PATH
from ledgerguard_pipeline.web.connections.intuit_disconnect import INTUIT_DISCONNECT_PATH
from ledgerguard_pipeline.web.html.static_files import ICON_PATH, STYLE_PATH
from ledgerguard_pipeline.web.ops.metrics import METRICS_PATH
from ledgerguard_pipeline.web.ops.readiness import READY_PATH
from ledgerguard_pipeline.web.paths import (
    CALLBACK_PATH,
    COMPANY_PATH,
    CONFIRM_PATH,
    CONNECT_PATH,
    DISCONNECT_PATH,
    HOME_PATH,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
    SYNC_PATH,
)
from ledgerguard_pipeline.web.security.forms import TOKEN_FIELD
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH

Answers = dict[int | str, dict[str, Any]]

_NOT_READY = "A setting is missing or wrong."
_LATER = "Intuit did not answer; trying again may help."
_REALM = {"type": "string", "pattern": f"^{REALM_FORM}$"}
_LOCATION = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _said(description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"status": {"type": "string"}, "message": {"type": "string"}},
        "required": ["status"],
    }
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _number(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most}


def _object(description: str, *required: str) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _disconnected() -> dict[str, Any]:
    properties = {
        "realm_id": {"type": "string"},
        "name": {"type": "string"},
        "is_connected": {"const": False},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": "Disconnected.", "content": {"application/json": {"schema": schema}}}


def _either(description: str) -> dict[str, Any]:
    """A page for browsers, JSON for programs."""
    return {
        "description": description,
        "content": {**_page(description)["content"], **_said(description)["content"]},
    }


def file(media_type: str) -> Answers:
    """A file that belongs to the pages."""
    content = {media_type: {"schema": {"type": "string"}}}
    return {200: {"description": "The file.", "content": content}}


def form(*fields: str) -> dict[str, Any]:
    """A form with these fields."""
    schema = {
        "type": "object",
        "properties": {each: {"type": "string"} for each in fields},
        "additionalProperties": False,
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"content": content, "required": True}}


_GUARDED: Answers = {
    401: _either("The admin token is missing or wrong."),
    403: _either("Reached from elsewhere, and no admin token is set."),
    429: _page("Too many wrong admin tokens from this address."),
}
_FORM_REFUSED: Answers = {
    400: _either("The form or the address was not understood."),
    408: _either("The form took too long to arrive."),
    413: _either("The form is too large."),
    415: _either("The body is no form."),
}
_SEE_OTHER = {"description": "To the page that shows it.", "headers": _LOCATION}

SIGN_IN_PAGE: Answers = {
    200: _page("The form."),
    303: {"description": "No sign-in is needed here.", "headers": _LOCATION},
}
SIGN_IN: Answers = {
    303: {"description": "Signed in: redirects to the requested page.", "headers": _LOCATION},
    401: _page("That is not the admin token."),
    403: _page("The form is too old or from another page."),
    429: _page("Too many wrong admin tokens from this address."),
    **_FORM_REFUSED,
}
SIGN_OUT: Answers = {
    **_GUARDED,
    303: {"description": "Signed out.", "headers": _LOCATION},
    403: _page("The form is too old or from another page."),
    **_FORM_REFUSED,
}
PAGE: Answers = {
    200: _page("The page."),
    400: _page("A parameter has an invalid value."),
    404: _page("There is no such company."),
    409: _page(_NOT_READY),
    503: _page("The control database cannot be read."),
    **_GUARDED,
}
LISTING_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "state",
            "in": "query",
            "schema": {"enum": ["", "healthy", "loading", "disconnected", "degraded", "unhealthy"]},
        },
        {"name": "q", "in": "query", "schema": {"type": "string"}},
        {"name": "page", "in": "query", "schema": _number(1_000_000)},
        {"name": "size", "in": "query", "schema": _number(500)},
    ]
}
STATUS: Answers = {
    200: _object("The status of the companies.", "companies", "by_health", "calls", "pages"),
    400: _said("A parameter has an invalid value."),
    409: _said(_NOT_READY),
    503: _said("The control database cannot be read."),
    **_GUARDED,
}
HEALTHY: Answers = {200: _object("The process answers.", "status")}
READY: Answers = {
    200: _object("Work can be done.", "status", "companies"),
    503: _object("The control database or the key ring cannot be used.", "status"),
}
CONFIRM: Answers = {
    200: _page("The question."),
    303: {"description": "It is disconnected already.", "headers": _LOCATION},
    404: _either("There is no such company."),
    409: _either(_NOT_READY),
    503: _either("The control database cannot be read."),
    **_GUARDED,
}
DISCONNECT: Answers = {
    200: _disconnected(),
    303: _SEE_OTHER,
    404: _either("There is no such company."),
    409: _either(_NOT_READY),
    503: _either("Intuit did not confirm; the company stays connected."),
    **_GUARDED,
    403: _either("The form is too old or from another page, or no admin token was sent."),
    **_FORM_REFUSED,
}
SYNC: Answers = {
    303: _SEE_OTHER,
    404: _page("There is no such company."),
    409: _page("The company is not connected, or a setting is missing or wrong."),
    503: _page("The control database cannot be read."),
    **_GUARDED,
    403: _page("The form is too old or from another page."),
    429: _page("A sync was asked for just now."),
    **_FORM_REFUSED,
}
INTUIT_DISCONNECT: Answers = {
    200: _page("The status of the company."),
    400: _page("The company id is invalid."),
    404: _page("No such company is connected here."),
    409: _page(_NOT_READY),
    503: _page("The control database cannot be read."),
    **_GUARDED,
}
INTUIT_DISCONNECT_REQUEST: dict[str, Any] = {
    "parameters": [{"name": "realmId", "in": "query", "schema": _REALM}]
}
COMPANY_REQUEST: dict[str, Any] = {
    "parameters": [{"name": "realm", "in": "path", "required": True, "schema": _REALM}]
}
DISCONNECT_REQUEST: dict[str, Any] = COMPANY_REQUEST | form("form_token")
SYNC_REQUEST: dict[str, Any] = COMPANY_REQUEST | form("form_token", "entity")

CONNECT: Answers = {
    302: {"description": "To Intuit's consent page.", "headers": _LOCATION},
    409: _page(_NOT_READY),
    503: _page(_LATER),
    **_GUARDED,
}

CALLBACK: Answers = {
    200: _page("The company is connected."),
    400: _page("No consent, or the link is incomplete, expired or used."),
    409: _page(_NOT_READY),
    503: _page(_LATER),
}

CALLBACK_REQUEST: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("code", "state", "realmId", "error", "error_description")
    ]
}

METRICS: Answers = {
    200: {
        "description": "Figures in Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    503: {
        "description": "The control plane cannot be read.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **_GUARDED,
}

WEBHOOK: Answers = {
    200: _said("Stored, readable or not."),
    400: _said("The body was cut off."),
    401: _said("The signature is missing or wrong; nothing was stored."),
    408: _said("The body took too long to arrive."),
    413: _said("The body is too large."),
    429: _said("Too many requests from this address."),
    503: _said("Not set up, or not stored: send it again."),
}

_TEXT = {"type": "string"}
_CLOUD_EVENT = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("specversion", "id", "source", "intuitentityid"), _TEXT),
        "type": {"type": "string", "examples": ["qbo.invoice.created.v1"]},
        "time": {"type": "string", "format": "date-time"},
        "intuitaccountid": {"type": "string", "pattern": f"^{REALM_FORM}$"},
        "data": {"type": "object"},
    },
    "required": ["id", "type", "intuitentityid", "intuitaccountid"],
}
_NOTIFICATION = {
    "type": "object",
    "properties": {
        "realmId": {"type": "string", "pattern": f"^{REALM_FORM}$"},
        "dataChangeEvent": {
            "type": "object",
            "properties": {
                "entities": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": dict.fromkeys(
                            ("name", "id", "operation", "lastUpdated", "deletedId"), _TEXT
                        ),
                        "required": ["name", "id", "operation"],
                    },
                }
            },
        },
    },
}
_DELIVERY = {
    "anyOf": [
        {"type": "array", "items": _CLOUD_EVENT},
        {
            "type": "object",
            "properties": {"eventNotifications": {"type": "array", "items": _NOTIFICATION}},
            "required": ["eventNotifications"],
        },
        {},
    ]
}
_MEDIA_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
WEBHOOK_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "intuit-signature",
            "in": "header",
            "required": True,
            "description": "Base64 of HMAC-SHA256 over the body, keyed with the verifier token.",
            "schema": _TEXT,
        }
    ],
    "requestBody": {
        "description": "CloudEvents, or the older notifications. Anything with a good signature "
        "is kept.",
        "content": {name: {"schema": _DELIVERY} for name in _MEDIA_TYPES},
    },
}

ROUTES: dict[tuple[str, str], tuple[Answers, dict[str, Any]]] = {
    ("GET", HOME_PATH): (PAGE, LISTING_REQUEST),
    ("GET", COMPANY_PATH): (PAGE, COMPANY_REQUEST),
    ("GET", CONFIRM_PATH): (CONFIRM, COMPANY_REQUEST),
    ("GET", STATUS_PATH): (STATUS, LISTING_REQUEST),
    ("GET", COMPANIES_PATH): (STATUS, LISTING_REQUEST),
    ("GET", CONNECT_PATH): (CONNECT, {}),
    ("GET", CALLBACK_PATH): (CALLBACK, CALLBACK_REQUEST),
    ("GET", INTUIT_DISCONNECT_PATH): (INTUIT_DISCONNECT, INTUIT_DISCONNECT_REQUEST),
    ("POST", DISCONNECT_PATH): (DISCONNECT, DISCONNECT_REQUEST),
    ("POST", SYNC_PATH): (SYNC, SYNC_REQUEST),
    ("GET", SIGN_IN_PATH): (SIGN_IN_PAGE, {}),
    ("POST", SIGN_IN_PATH): (SIGN_IN, form(TOKEN_FIELD, "token", "next")),
    ("POST", SIGN_OUT_PATH): (SIGN_OUT, form(TOKEN_FIELD)),
    ("POST", WEBHOOK_PATH): (WEBHOOK, WEBHOOK_REQUEST),
    ("GET", METRICS_PATH): (METRICS, {}),
    ("GET", HEALTH_PATH): (HEALTHY, {}),
    ("GET", READY_PATH): (READY, {}),
    ("GET", STYLE_PATH): (file("text/css"), {}),
    ("GET", ICON_PATH): (file("image/svg+xml"), {}),
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The routes the application has, with what is known of each; unknown ones stay bare."""
    described = deepcopy(app.openapi())
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            answers, request = ROUTES.get((method.upper(), path), ({}, {}))
            responses = {str(status): answer for status, answer in answers.items()}
            deep_dict_update(operation, deepcopy({"responses": responses}))
            deep_dict_update(operation, deepcopy(request))
    return described
