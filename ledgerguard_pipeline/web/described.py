"""What the OpenAPI description says beyond what the routes' signatures tell.

Nobody is served the description; tests hold the edge to it.
"""

from __future__ import annotations

from typing import Any

Answers = dict[int | str, dict[str, Any]]

_NOT_READY = "A setting is missing or wrong."
_LATER = "Intuit did not answer; trying again may help."
_LOCATION = {"Location": {"schema": {"type": "string", "format": "uri"}}}


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _said(description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"status": {"type": "string"}, "message": {"type": "string"}},
        "required": ["status"],
    }
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_GUARDED: Answers = {
    401: _page("The admin token is missing or wrong."),
    403: _page("Reached under a public name, and no admin token is set."),
}

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
    503: _said("Not set up, or not stored: to be sent again."),
}

_TEXT = {"type": "string"}
_CLOUD_EVENT = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("specversion", "id", "source", "intuitentityid"), _TEXT),
        "type": {"type": "string", "examples": ["qbo.invoice.created.v1"]},
        "time": {"type": "string", "format": "date-time"},
        "intuitaccountid": {"type": "string", "pattern": "^[0-9]{10,20}$"},
        "data": {"type": "object"},
    },
    "required": ["id", "type", "intuitentityid", "intuitaccountid"],
}
_NOTIFICATION = {
    "type": "object",
    "properties": {
        "realmId": {"type": "string", "pattern": "^[0-9]{10,20}$"},
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
        "description": "CloudEvents, or the older notifications. What carries a good signature is "
        "kept, whatever it is.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"type": "array", "items": _CLOUD_EVENT},
                        {
                            "type": "object",
                            "properties": {
                                "eventNotifications": {"type": "array", "items": _NOTIFICATION}
                            },
                            "required": ["eventNotifications"],
                        },
                        {},
                    ]
                }
            }
        },
    },
}
