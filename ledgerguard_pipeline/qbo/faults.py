"""From a refusal in any of Intuit's dialects to one typed error.

The accounting layer answers JSON ``Fault``, the gateway lower-case ``fault``, the oldest layer
XML, a load balancer HTML or nothing; and HTTP 200 may carry a ``Fault``. The fault code decides
first, the HTTP status second. Codes: Intuit's "Error codes" page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

import msgspec

from ledgerguard_pipeline.errors import (
    AccessDenied,
    ChangesTooOld,
    CompanyUnavailable,
    FeatureUnavailable,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
    Throttled,
)
from ledgerguard_pipeline.qbo.payload import Members, members_of

SYSTEM_FAILURE = "10000"
"""An application error: worth one retry; the same again means a record Intuit cannot render."""

_RENEWABLE_401 = frozenset({None, "100", "110", "3200", "3202"})
_XML_ERROR = re.compile(r"<Error\b([^>]*)>(.*?)</Error>", re.DOTALL | re.IGNORECASE)
_XML_CODE = re.compile(r"\bcode\s*=\s*[\"']([^\"']{1,20})[\"']", re.IGNORECASE)
_XML_TEXT = re.compile(r"<(Message|Detail)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_SECRETLIKE = re.compile(r"[A-Za-z0-9_\-.~+/=]{40,}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """What Intuit said: its code without leading zeros, its text fit for a log."""

    code: str | None
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Where:
    """Whose call it was; every error carries it."""

    realm_id: str | None = None
    entity: str | None = None
    intuit_tid: str | None = None


def fault_in(members: Members) -> Fault | None:
    """The fault inside an opened JSON answer, in either spelling; None where there is none."""
    raw = next(
        (members[key] for key in ("Fault", "fault") if members.get(key, b"null") != b"null"), None
    )
    if raw is None:
        return None
    try:
        value = msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return Fault(None, "", printable(raw.decode("utf-8", "replace")))
    lowered = {key.casefold(): item for key, item in value.items()}
    errors = lowered.get("error")
    first = errors[0] if isinstance(errors, list) and errors else errors
    detail = {k.casefold(): v for k, v in first.items()} if isinstance(first, dict) else {}
    words = [str(detail[key]) for key in ("message", "detail") if detail.get(key)]
    return Fault(
        _code(detail.get("code")), str(lowered.get("type") or ""), printable(": ".join(words))
    )


def fault_of(body: bytes) -> Fault | None:
    """The fault of a refusal's body: JSON, XML, or None for HTML, text and nothing."""
    try:
        found = fault_in(members_of(body))
    except ValueError:
        found = None
    if found is not None:
        return found
    text = body[:20_000].decode("utf-8", "replace")
    match = _XML_ERROR.search(text)
    if match is None:
        return None
    code = _XML_CODE.search(match.group(1))
    words = [unescape(part) for _, part in _XML_TEXT.findall(match.group(2))]
    return Fault(_code(code.group(1) if code else None), "", printable(": ".join(words)))


def error_for(
    status: int,
    fault: Fault | None,
    where: Where,
    *,
    body: bytes = b"",
    retry_after: float | None = None,
) -> QBOAPIError:
    """The typed error of a refusal; its message says what happened and what to do."""
    code = fault.code if fault else None
    said = fault.text if fault and fault.text else _glimpse(body)
    kind, advice = _judge(status, fault)
    message = f"QuickBooks answered {said or f'HTTP {status} without a reason'}. {advice}"
    place = {
        "realm_id": where.realm_id,
        "entity": where.entity,
        "fault_code": code,
        "intuit_tid": where.intuit_tid,
    }
    if kind is Throttled:
        return Throttled(message, retry_after=retry_after, status=status, **place)
    error = kind(message, status=status, **place)
    if isinstance(error, ServiceUnavailable):
        error.retry_after = retry_after
    return error


def renewable(error: QBOAPIError) -> bool:
    """True for a refusal that a fresh access token may cure."""
    return (
        isinstance(error, AccessDenied)
        and (error.status == 401 or error.fault_code in ("3200", "3202"))
        and error.fault_code in _RENEWABLE_401
    )


def printable(text: str, limit: int = 300) -> str:
    """A foreign text made fit for a message: one line, short, nothing that looks like a token."""
    return _SECRETLIKE.sub("[redacted]", _UNPRINTABLE.sub(" ", text)).strip()[:limit].rstrip(". ")


_RETRY_LATER = "Nothing was stored; the next sync tries again."
_FOREIGN_GRANT = (
    "The token does not belong to this company: reconnect it with `ledgerguard connect`."
)
_NO_ACCESS = (
    "The app has no access to this company: check INTUIT_ENV against the app's keys, then "
    "reconnect with `ledgerguard connect`."
)
_LACKING = (
    "The company's edition or permissions lack it; leave the type out with LEDGERGUARD_ENTITIES."
)
_BY_CODE: dict[str, tuple[type[QBOAPIError], str]] = {
    "100": (AccessDenied, _FOREIGN_GRANT),
    "110": (AccessDenied, _FOREIGN_GRANT),
    "120": (AccessDenied, "The person who consented lost access: let an administrator reconnect."),
    "130": (AccessDenied, "Company and environment do not match: check INTUIT_ENV."),
    "140": (CompanyUnavailable, "The company is locked out; its administrator has to restore it."),
    "150": (ServiceUnavailable, "The company is under maintenance. " + _RETRY_LATER),
    "610": (NotFound, "The object is deleted or was made inactive."),
    "3001": (Throttled, "The call limit is reached; calls for this company pause."),
    "3100": (AccessDenied, _NO_ACCESS),
    "3200": (AccessDenied, "The access token was refused."),
    "3202": (AccessDenied, "The access token was refused."),
    "4002": (PoisonPage, "One record of the page fails it: read smaller parts to find it."),
    "5020": (FeatureUnavailable, _LACKING),
    "5030": (FeatureUnavailable, _LACKING),
    "6190": (CompanyUnavailable, "The QuickBooks subscription ended; its owner has to renew it."),
    SYSTEM_FAILURE: (ServiceUnavailable, "An application error at Intuit. " + _RETRY_LATER),
    "10100": (PoisonPage, "The answer is too big: read the range in smaller parts."),
    "10200": (RequestRejected, "The company's data was reset: run `ledgerguard sync --full`."),
}


def _judge(status: int, fault: Fault | None) -> tuple[type[QBOAPIError], str]:
    code = fault.code if fault else None
    if code == "500" and fault is not None:
        if "older than" in fault.text and "cdc" in fault.text.casefold():
            return ChangesTooOld, "Changes reach back 30 days only: run `ledgerguard sync --full`."
        return RequestRejected, "Intuit does not support this request."
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status == 429:
        return _BY_CODE["3001"]
    if status == 401:
        return _BY_CODE["3200"]
    if status == 403:
        return _BY_CODE["3100"]
    system = fault is not None and fault.kind.casefold() in ("systemfault", "service")
    if status >= 500 or status in (408, 425) or 300 <= status < 400:
        return ServiceUnavailable, _RETRY_LATER
    if status < 300 and (fault is None or system):
        return ServiceUnavailable, _RETRY_LATER
    return RequestRejected, "The request is wrong as it stands; repeating it cannot help."


def _code(value: object) -> str | None:
    text = str(value).strip() if value is not None else ""
    return (text.lstrip("0") or "0") if text.isdigit() else (text[:20] or None)


def _glimpse(body: bytes) -> str:
    """The start of a body that is no fault at all, tags removed, for the operator."""
    text = re.sub(r"<[^>]*>", " ", body[:2_000].decode("utf-8", "replace"))
    return printable(" ".join(text.split()), 120)
