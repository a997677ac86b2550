"""Injected faults: what a client must survive, on the next calls or with a probability."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum

import msgspec

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal, poisoned, unsupported
from ledgerguard_pipeline.sandbox.answers.replies import (
    HTML,
    JSON,
    Answer,
    dumps,
    fault_member,
    forbidden,
    gateway,
    html_page,
    refused,
    throttled,
    unauthenticated,
    xml_fault,
)


class FaultKind(StrEnum):
    """The first group answers instead of the sandbox, the second spoils its answer."""

    THROTTLE_JSON = "throttle_json"
    THROTTLE_XML = "throttle_xml"
    THROTTLE_HTML = "throttle_html"
    THROTTLE_EMPTY = "throttle_empty"
    ERROR_500_HTML = "error_500_html"
    ERROR_502_HTML = "error_502_html"
    ERROR_503_HTML = "error_503_html"
    ERROR_503_EMPTY = "error_503_empty"
    ERROR_504_HTML = "error_504_html"
    APPLICATION_ERROR = "application_error"
    """500 / 10000 with a JSON body."""
    UNAUTHORIZED = "unauthorized"
    UNAUTHORIZED_XML = "unauthorized_xml"
    WRONG_CLUSTER = "wrong_cluster"
    FORBIDDEN = "forbidden"
    COMPANY_EXPIRED = "company_expired"
    """400 / 6190."""
    COMPANY_MAINTENANCE = "company_maintenance"
    FEATURE_MISSING = "feature_missing"
    """400 / 5020."""
    SUBSCRIPTION_LAPSED = "subscription_lapsed"
    """400 / 7001 of the gateway, as a lapsed company gets it."""
    NO_DESTINATION = "no_destination"
    """400 with an HTML page that quotes errorCode=007001: the gateway does not find the company."""
    GATEWAY_500 = "gateway_500"
    """500 / 3100 of the gateway: an outage under the code of a refusal."""
    AUTHORIZATION_500 = "authorization_500"
    """500 / 120 in XML: the same one layer below."""
    RESOURCE_MISSING = "resource_missing"
    """400 / 500 "Could not find resource", as paths that exist get it during an outage."""
    TRY_AGAIN = "try_again"
    """400 / 6000 that asks to try again."""
    STALE_OBJECT = "stale_object"
    """400 / 5010, which names the person who edits."""
    PROCESSING_ERROR = "processing_error"
    """400 / 4002, as a poison record gives."""
    FAULT_IN_200 = "fault_in_200"
    HTML_200 = "html_200"
    EMPTY_200 = "empty_200"
    REDIRECT = "redirect"
    INVALID_GRANT = "invalid_grant"
    INVALID_CLIENT = "invalid_client"
    HANG = "hang"
    """Nothing for ``seconds``, then 504, as the gateway cuts off what takes too long."""
    RESET = "reset"
    """The connection is reset before any answer."""

    RESET_AFTER = "reset_after"
    """The call is carried out, then the connection is reset."""
    TRUNCATED = "truncated"
    """Half the body, then the connection closes."""
    CUT_JSON = "cut_json"
    """Half the body with a length to match: only the JSON is broken."""
    WRONG_CONTENT_TYPE = "wrong_content_type"
    BAD_GZIP = "bad_gzip"
    SLOW_BODY = "slow_body"
    """The body trickles for ``seconds``."""


SPOILS = frozenset(
    {
        FaultKind.RESET_AFTER,
        FaultKind.TRUNCATED,
        FaultKind.CUT_JSON,
        FaultKind.WRONG_CONTENT_TYPE,
        FaultKind.BAD_GZIP,
        FaultKind.SLOW_BODY,
    }
)


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """When a fault strikes: the ``next`` so many matching calls, or each with ``probability``.

    ``skip`` lets that many matching calls pass first. ``endpoint`` is ``query``, ``cdc``,
    ``batch``, ``reports``, ``read``, ``batch_item`` (a Fault inside a batch answer), ``authorize``,
    ``token``, ``revoke`` or ``download`` (the file itself); None means every HTTP call of the Accounting API. ``seconds`` is
    how long a slow body or a hang lasts.
    """

    kind: FaultKind
    next: int | None = None
    probability: float | None = None
    skip: int = 0
    endpoint: str | None = None
    entity: str | None = None
    realm: str | None = None
    retry_after: int | None = None
    seconds: float = 5.0

    def matches(self, endpoint: str, realm: str, entities: frozenset[str]) -> bool:
        if self.endpoint is None:
            if endpoint in ("authorize", "token", "revoke", "batch_item", "download"):
                return False
        elif self.endpoint != endpoint:
            return False
        if self.entity is not None and self.entity.lower() not in entities:
            return False
        return self.realm in (None, realm)


class Faults:
    """The rules in force; the first that strikes wins."""

    def __init__(self, seed: int = 1) -> None:
        self._rules: list[FaultRule] = []
        self._random = random.Random(seed)

    def add(self, rule: FaultRule) -> None:
        """Put a rule in force.

        Raises:
            ValueError: it says neither ``next`` nor ``probability``.
        """
        if rule.next is None and rule.probability is None:
            raise ValueError("a fault rule needs next or probability")
        self._rules.append(rule)

    def clear(self) -> None:
        self._rules.clear()

    def strike(self, endpoint: str, realm: str, entities: frozenset[str]) -> FaultRule | None:
        """The fault for this call, if any."""
        for rule in self._rules:
            if not rule.matches(endpoint, realm, entities):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability is not None and self._random.random() >= rule.probability:
                continue
            if rule.next is not None:
                rule.next -= 1
                if rule.next <= 0:
                    self._rules.remove(rule)
            return rule
        return None


HANDLE = "AB01Q3cbFGkbcp7KEbwpHx6B6vE"
"""How the gateway names the token it refuses: a secret inside an error text."""

COLLEAGUE = "Wilhelmina Overbeeke-Ngata"
"""Whom fault 5010 names; the person exists nowhere else."""

THROTTLED = "3001"
_THROTTLE = "message=ThrottleExceeded; errorCode=003001; statusCode=429"
_WORDS = {
    FaultKind.ERROR_500_HTML: (500, "Internal Server Error"),
    FaultKind.ERROR_502_HTML: (502, "Bad Gateway"),
    FaultKind.ERROR_503_HTML: (503, "Service Unavailable"),
    FaultKind.ERROR_504_HTML: (504, "Gateway Timeout"),
    FaultKind.HTML_200: (200, "Sign in"),
    FaultKind.HANG: (504, "Gateway Timeout"),
    FaultKind.THROTTLE_HTML: (429, "Too Many Requests"),
}
_REFUSALS = {
    FaultKind.APPLICATION_ERROR: Refusal(
        "10000",
        "An application error has occurred while processing your request",
        "System Failure Error: Could not find resource",
        kind="SystemFault",
        status=500,
    ),
    FaultKind.COMPANY_EXPIRED: Refusal(
        "6190",
        "Invalid Company Status Error",
        "Invalid Company Status Error : Subscription period has ended or canceled or there was "
        "a billing problem",
    ),
    FaultKind.COMPANY_MAINTENANCE: Refusal(
        "150", "Company under maintenance", "The company is under maintenance", kind="SystemFault"
    ),
    FaultKind.FEATURE_MISSING: Refusal(
        "5020", "Permission Denied Error", "Permission Denied Error : Feature Not Supported"
    ),
    FaultKind.PROCESSING_ERROR: poisoned(),
    FaultKind.RESOURCE_MISSING: unsupported(
        "Operation Could not find resource for relative : /v3/company/:realmid/query is not "
        "supported."
    ),
    FaultKind.TRY_AGAIN: Refusal(
        "6000",
        "A business validation error has occurred while processing your request",
        "Business Validation Error: An unexpected error occurred. Please try again",
    ),
    FaultKind.STALE_OBJECT: Refusal(
        "5010",
        "Stale Object Error",
        f"Stale Object Error : You and {COLLEAGUE} were working on this at the same time. "
        f"{COLLEAGUE} finished before you did, so your work was not saved.",
    ),
}


def item_refusal(rule: FaultRule) -> Refusal:
    """The Fault of one batch item; kinds without a code of their own mean throttled."""
    if rule.kind is FaultKind.UNAUTHORIZED:
        name = "message=AuthenticationFailed; errorCode=003200; statusCode=401"
        return Refusal("3200", name, f"Token expired: {HANDLE}", kind="AuthenticationFault")
    if rule.kind is FaultKind.FORBIDDEN:
        name = "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403"
        return Refusal("3100", name, "", kind="SERVICE")
    detail = "The request limit was reached.  Try again later"
    return _REFUSALS.get(rule.kind) or Refusal(THROTTLED, _THROTTLE, detail, kind="SERVICE")


def instead(rule: FaultRule, now: float) -> Answer:
    """The answer of a fault that replaces the sandbox's own."""
    answer = _instead(rule.kind, now)
    if rule.retry_after is not None:
        answer.headers["Retry-After"] = str(rule.retry_after)
    return answer


def _instead(kind: FaultKind, now: float) -> Answer:
    if kind in _WORDS:
        return html_page(*_WORDS[kind])
    if kind in _REFUSALS:
        return refused(_REFUSALS[kind], now)
    if kind in _PLAIN:
        status, content_type, body = _PLAIN[kind]
        return Answer(status, body, content_type)
    if kind is FaultKind.REDIRECT:
        return Answer(302, b"", HTML, {"Location": "https://elsewhere.example/v3"})
    return _GATEWAY[kind](now)


def other_company(now: float) -> Answer:
    """401 / 100 in XML: the token belongs to another company."""
    message = "AuthenticationErrorGeneral: SRV-110-Authentication Failure , statusCode: 401"
    return xml_fault(401, "100", "AUTHENTICATION", message, None, now)


_PLAIN = {
    FaultKind.FAULT_IN_200: (
        200,
        JSON,
        b"{" + fault_member(_REFUSALS[FaultKind.APPLICATION_ERROR]) + b',"requestId":null}',
    ),
    FaultKind.THROTTLE_EMPTY: (429, HTML, b""),
    FaultKind.ERROR_503_EMPTY: (503, HTML, b""),
    FaultKind.EMPTY_200: (200, JSON, b""),
    FaultKind.RESET: (200, JSON, b""),
    FaultKind.INVALID_GRANT: (400, JSON, dumps({"error": "invalid_grant"})),
    FaultKind.INVALID_CLIENT: (401, JSON, dumps({"error": "invalid_client"})),
}
_GATEWAY: dict[FaultKind, Callable[[float], Answer]] = {
    FaultKind.THROTTLE_JSON: throttled,
    FaultKind.THROTTLE_XML: lambda now: xml_fault(
        429, THROTTLED, "SERVICE", _THROTTLE, "The request limit was reached.  Try again later", now
    ),
    FaultKind.UNAUTHORIZED: lambda now: unauthenticated(f"Token expired: {HANDLE}", now),
    FaultKind.UNAUTHORIZED_XML: other_company,
    FaultKind.WRONG_CLUSTER: lambda now: xml_fault(
        401, "130", "AUTHENTICATION", "Accessing Wrong Cluster", None, now
    ),
    FaultKind.FORBIDDEN: forbidden,
    FaultKind.SUBSCRIPTION_LAPSED: lambda now: gateway(
        400,
        "Subscription for company has lapsed or Invalid destination URL is used. Sandbox company "
        "works with Sandbox URL and Production company works with Production URL.",
        "7001",
        "SERVICE",
        None,
        now,
    ),
    FaultKind.NO_DESTINATION: lambda _now: html_page(
        400,
        "HTTP Status 400 - message=No destination found for given partition key; "
        "errorCode=007001; statusCode=400",
        "The request sent by the client was syntactically incorrect.",
    ),
    FaultKind.GATEWAY_500: lambda now: gateway(
        500, "InternalServerError", "3100", "SERVICE", None, now
    ),
    FaultKind.AUTHORIZATION_500: lambda now: xml_fault(
        500,
        "120",
        "AuthorizatonFault",
        "Authorization Failure",
        "AuthorizationFailure: Unknown Error during Authentication, statusCode: 500",
        now,
    ),
}
