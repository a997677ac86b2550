"""Answers and their bodies: JSON, XML and HTML, as the layers of Intuit send them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal
from ledgerguard_pipeline.sandbox.books.pacific_time import write_instant

JSON = "application/json;charset=UTF-8"
XML = "application/xml;charset=UTF-8"
HTML = "text/html;charset=UTF-8"
NAMESPACE = "http://schema.intuit.com/finance/v3"


@dataclass(slots=True)
class Answer:
    """What one request gets; the server adds ``intuit_tid`` and the transport headers."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    translatable: bool = False
    """True for bodies of the accounting layer, which follow the Accept header."""


def document(members: bytes, now: float, *, rows: int = 0, exact: bool = True) -> Answer:
    """A JSON answer of the accounting layer: these members and when the request began.

    ``exact`` says whether that time has milliseconds.
    """
    time = write_instant(now, exact=exact).encode()
    body = b"{" + members + b',"time":"' + time + b'"}'
    return Answer(200, body, rows=rows, translatable=True)


def dumps(value: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_META = re.compile(rb'"MetaData":\{[^{}]*"LastUpdatedTime":"(\d{4}-\d\d-\d\d)[^"]*"[^{}]*\}')


def with_bare_date(body: bytes) -> bytes:
    """A record whose MetaData has the date of its last change and nothing else."""
    return _META.sub(rb'"MetaData":{"LastUpdatedTime":"\1"}', body)


def fault_member(refusal: Refusal) -> bytes:
    """``"Fault":{...}`` as answers and batch items carry it."""
    error = {
        "Message": refusal.message,
        "Detail": refusal.detail,
        "code": refusal.code,
        "element": "",
    }
    return b'"Fault":' + dumps({"Error": [error], "type": refusal.kind})


def refused(refusal: Refusal, now: float, *, exact: bool = True) -> Answer:
    """A ``Fault`` body of the accounting layer."""
    answer = document(fault_member(refusal), now, exact=exact)
    answer.status = refusal.status
    return answer


def gateway(status: int, name: str, code: str, kind: str, detail: str | None, now: float) -> Answer:
    """The lower-case body of the gateway, sent before QuickBooks is reached."""
    error = {
        "message": f"message={name}; errorCode={code.zfill(6)}; statusCode={status}",
        "detail": detail,
        "code": code,
        "element": None,
    }
    body: dict[str, object] = {
        "warnings": None,
        "intuitObject": None,
        "fault": {"error": [error], "type": kind},
        "report": None,
        "queryResponse": None,
        "batchItemResponse": [],
        "attachableResponse": [],
        "syncErrorResponse": None,
        "requestId": None,
        "time": int(now * 1000),
        "status": None,
        "cdcresponse": [],
    }
    return Answer(status, dumps(body))


def throttled(now: float) -> Answer:
    """429 as the gateway words it in JSON."""
    detail = "The request limit was reached.  Try again later"
    return gateway(429, "ThrottleExceeded", "3001", "SERVICE", detail, now)


def unauthenticated(detail: str, now: float) -> Answer:
    """401 of the gateway: the bearer token is missing, malformed, expired or revoked."""
    answer = gateway(401, "AuthenticationFailed", "3200", "AUTHENTICATION", detail, now)
    answer.headers["Www-Authenticate"] = 'Bearer realm="Intuit", error="invalid_token"'
    return answer


def forbidden(now: float) -> Answer:
    """403 of the gateway: this app has no business with this company here."""
    return gateway(403, "ApplicationAuthorizationFailed", "3100", "SERVICE", None, now)


def xml_fault(
    status: int, code: str, kind: str, message: str, detail: str | None, now: float
) -> Answer:
    """The XML body that comes even where JSON was asked for."""
    tail = "" if detail is None else f"<Detail>{escape(detail)}</Detail>"
    body = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f"<IntuitResponse time={quoteattr(write_instant(now))} xmlns={quoteattr(NAMESPACE)}>"
        f"<Fault type={quoteattr(kind)}><Error code={quoteattr(code)}>"
        f"<Message>{escape(message)}</Message>{tail}</Error></Fault></IntuitResponse>"
    )
    return Answer(status, body.encode(), XML)


def html_page(status: int, title: str, text: str = "") -> Answer:
    """A page of a proxy or servlet container."""
    body = (
        f'<!doctype html><html lang="en"><head><title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1><p>{escape(text)}</p></body></html>"
    )
    return Answer(status, body.encode(), HTML)
