"""From a refusal in any of Intuit's dialects to one typed error.

The accounting layer answers JSON ``Fault``, the gateway lower-case ``fault``, the oldest layer
XML, a load balancer HTML or nothing; and HTTP 200 may carry a ``Fault``. What each means stands
in ``fault_rules``; here it is read, and made fit to be shown: a fault may name a person or a token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

import msgspec

from ledgerguard_pipeline.errors import AccessDenied, QBOAPIError, ServiceUnavailable, Throttled
from ledgerguard_pipeline.observability.redaction import redact, without_persons
from ledgerguard_pipeline.qbo.answers.fault_rules import Refused, judge
from ledgerguard_pipeline.qbo.answers.payload import Members, members_of

_RENEWABLE_401 = frozenset({None, "100", "110", "3200", "3202"})
_STALE = "5010"
_STALE_WORDS = "Stale Object Error: somebody else edits the same object"
"""Instead of Intuit's text, which names the person, in any language."""

_XML_ERROR = re.compile(r"<Error\b([^>]*)>(.*?)</Error>", re.DOTALL | re.IGNORECASE)
_XML_CODE = re.compile(r"\bcode\s*=\s*[\"']([^\"']{1,20})[\"']", re.IGNORECASE)
_XML_KIND = re.compile(r"<Fault\b[^>]*\btype\s*=\s*[\"']([^\"']{1,40})[\"']", re.IGNORECASE)
_XML_TEXT = re.compile(r"<(Message|Detail)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_TEXT_CODE = re.compile(r"\berrorCode\s*[=:]\s*(\d{1,6})\b", re.IGNORECASE)
_TEXT_STATUS = re.compile(r"\bstatusCode\s*[=:]\s*(\d{3})\b", re.IGNORECASE)
_READ = 20_000
"""Characters of a body that is no JSON which are looked through."""

_TWICE = re.compile(r"\A(.{8,400}?) \1(?= |\Z)")
_SECRETLIKE = re.compile(r"[A-Za-z0-9_\-.~+/=]{40,}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """What Intuit said: its code without leading zeros, its text fit for a log.

    ``claimed`` is the HTTP status its text names, ``meaning`` the text before it was made fit: for
    the rules alone, never to be shown.
    """

    code: str | None
    kind: str
    text: str
    claimed: int | None = None
    meaning: str = ""
    reported: bool = True


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
        return _fault(None, "", [raw.decode("utf-8", "replace")])
    lowered = {key.casefold(): item for key, item in value.items()}
    errors = lowered.get("error")
    first = errors[0] if isinstance(errors, list) and errors else errors
    detail = {k.casefold(): v for k, v in first.items()} if isinstance(first, dict) else {}
    words = [str(detail[key]) for key in ("message", "detail") if detail.get(key)]
    return _fault(detail.get("code"), str(lowered.get("type") or ""), words)


def fault_of(body: bytes) -> Fault | None:
    """The fault of a refusal's body: JSON, XML, a page that names an ``errorCode``; else None."""
    try:
        found = fault_in(members_of(body))
    except ValueError:
        found = None
    if found is not None:
        return found
    text = body[:_READ].decode("utf-8", "replace")
    match = _XML_ERROR.search(text)
    if match is None:
        return _fault_of_page(text)
    code = _XML_CODE.search(match.group(1))
    kind = _XML_KIND.search(text)
    words = [unescape(part) for _, part in _XML_TEXT.findall(match.group(2))]
    return _fault(code.group(1) if code else None, kind.group(1) if kind else "", words)


def error_for(
    status: int,
    fault: Fault | None,
    where: Where,
    *,
    body: bytes = b"",
    retry_after: float | None = None,
) -> QBOAPIError:
    """The typed error of a refusal; its message says what happened and what to do."""
    glimpse = _glimpse(body)
    said = ((fault.text if fault else "") or printable(glimpse, 120)).rstrip(" .")
    kind, advice = judge(
        Refused(status, text=glimpse)
        if fault is None
        else Refused(
            status, fault.claimed, fault.code, fault.kind, fault.meaning or glimpse, fault.reported
        )
    )
    message = f"QuickBooks answered {said or f'HTTP {status} without a reason'}. {advice}"
    error = kind(
        message,
        status=status,
        realm_id=where.realm_id,
        entity=where.entity,
        fault_code=fault.code if fault else None,
        intuit_tid=where.intuit_tid,
    )
    error.said = said or f"HTTP {status} without a reason"
    if isinstance(error, ServiceUnavailable | Throttled):
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
    """A foreign text made fit for a message: one line, short, no token in it and no person."""
    plain = without_persons(redact(_UNPRINTABLE.sub(" ", text)))
    return _SECRETLIKE.sub("[redacted]", plain).strip()[:limit].rstrip(". ")


def reported_by(body: bytes, limit: int = 160) -> str:
    """What a refusal's body says in any dialect, fit for a message; empty where it says nothing."""
    fault = fault_of(body)
    return (fault.text[:limit] if fault else "") or printable(_glimpse(body), limit)


def _fault(code: object, kind: str, words: Sequence[str], *, reported: bool = True) -> Fault:
    """The fault of these words; without a code beside them, they may name it."""
    meaning = ": ".join(words)
    named = _TEXT_CODE.search(meaning)
    known = _code(code) or _code(named.group(1) if named else None)
    status = _TEXT_STATUS.search(meaning)
    text = _STALE_WORDS if known == _STALE else printable(_said_once(words))
    return Fault(known, kind, text, int(status.group(1)) if status else None, meaning, reported)


def _said_once(words: Sequence[str]) -> str:
    """The words without those with which the next ones begin: details often repeat the message."""
    kept = [
        word
        for word, then in zip(words, [*words, ""][1:], strict=True)
        if not then.casefold().startswith(word.casefold().strip())
    ]
    return ": ".join(kept)


def _fault_of_page(text: str) -> Fault | None:
    """What a page says that quotes the gateway; a page that quotes nothing is no fault."""
    if not _TEXT_CODE.search(text) and not _TEXT_STATUS.search(text):
        return None
    return _fault(None, "", [_plain(text)], reported=False)


def _code(value: object) -> str | None:
    text = str(value).strip() if value is not None else ""
    return (text.lstrip("0") or "0") if text.isdigit() else (printable(text, 20) or None)


def _glimpse(body: bytes) -> str:
    """The start of a body that is no fault at all, tags removed, for the operator."""
    return _plain(body[:2_000].decode("utf-8", "replace"))


def _plain(page: str) -> str:
    """The text of a page; what is its title and its heading as well, once."""
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
    return _TWICE.sub(r"\1", text)
