"""Masks secrets in texts that leave the process: log lines, tracebacks, diagnostics.

The same is done to the persons whom Intuit's faults name: they are nobody's business there.

Two nets, because either has holes of its own. Values known to be secret (tokens, the client
secret) are registered and masked wherever they appear; shapes known to carry secrets (an
Authorization header, ``refresh_token=...``, a JWE) are masked even if nobody registered them.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

MASK = "***"
SOMEBODY = "somebody"
"""Stands where a text named a person."""

_REMEMBERED = 2048
"""Registered values kept, oldest forgotten first. Tokens live an hour; the shapes catch the rest."""
_SHORTEST_SETTING = 8
_SHORTEST = 6
"""Shorter values are not registered: masking "a" everywhere would destroy every message."""

SECRET_FIELDS = (
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "intuit_client_secret",
    "intuit_webhook_verifier_token",
    "verifier_token",
    "ledgerguard_admin_token",
    "admin_token",
    "ledgerguard_encryption_keys",
    "encryption_keys",
    "password",
)
_SECRET_KEYS = frozenset(
    {*SECRET_FIELDS, "authorization", "proxy_authorization", "cookie", "set_cookie"}
)

# A quote may be escaped any number of times: JSON inside JSON, repr inside JSON.
_QUOTED = r"""(?P<{0}>\\*["'])(?:(?!(?P={0})).)*(?P={0})"""
_BARE = r"""[^\s"'&,;)}\]\\]+"""
_FIELDS = "|".join(SECRET_FIELDS)

_NOBODY = rf"\1{SOMEBODY}\2"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Bearer x, 'Authorization': 'Basic x', Authorization=x (RFC 9110 11.6.2)
    (
        re.compile(
            r"""(?i)(\b(?:proxy-)?authorization\\*["']?\s*[:=]\s*(?:b(?=["']))?\\*["']?)"""
            r"""(?:(?:basic|bearer|digest)\s+)?[^\s"',;\\]+"""
        ),
        rf"\1{MASK}",
    ),
    # A scheme without its header name; words of prose ("basic authentication"), whatever sentence
    # they end, stay readable.
    (
        re.compile(
            r"""(?i)\b(bearer|basic)\s+"""
            r"""(?=[^\s"']*(?:[0-9=_]|\.[^\s"'])|(?:[^\s"'.]|\.(?=[^\s"'])){20})[\w.~+/=-]{6,}"""
        ),
        rf"\1 {MASK}",
    ),
    # access_token=x, "refresh_token": "x", client_secret='x' (RFC 6749)
    (
        re.compile(
            rf"""(?i)((?:{_FIELDS})\\*["']?\s*[:=]\s*(?:b(?=["']))?)(?:{_QUOTED.format("quote")}|{_BARE})"""
        ),
        rf"\1\g<quote>{MASK}\g<quote>",
    ),
    # An authorization code: in a form or URL anything but a number, elsewhere a long token.
    # Fault codes ("code":"3001") and status codes are no secrets and are needed.
    (
        re.compile(r"(?i)(?<![\w-])(code=)(?!\d{1,6}(?![\w%-]|\.[\w%-]))[\w%.~+/-]{3,}"),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            r"""(?i)(?<![\w-])(code\\*["']\s*:\s*\\*["'])(?=[^"'\\]*\d)(?=[^"'\\]*[a-z])"""
            r"""[\w.~+/-]{8,}"""
        ),
        rf"\1{MASK}",
    ),
    # JWE and JWT in compact form: Intuit's access tokens (RFC 7516 3.1), whole or cut off
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"), MASK),
    # Intuit's refresh tokens, authorization codes and the handles ("AB0...") that its gateway
    # quotes in faults; the escape of a line break may come right before one
    (re.compile(r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))AB[0-9][A-Za-z0-9_-]{9,}"), MASK),
    (re.compile(r"\b(?:XAB|RT1-)[A-Za-z0-9_-]{20,}"), MASK),
    # Whom fault 5010 names. The client leaves that text out itself; this is the second net.
    (re.compile(r"(?i)\b(you and )(?!somebody).{1,200}?( (?:were|are|was) working on)"), _NOBODY),
    (re.compile(r"(?i)(at the same time\W++)(?!somebody).{1,200}?( finished before)"), _NOBODY),
)
_HINTS = re.compile(
    r"(?i)authorization|bearer|basic|token|secret|code|password|keys|eyJ|AB[0-9]|RT1-"
    r"|working on|finished before"
)
_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")

_registered: OrderedDict[str, None] = OrderedDict()
_lasting: dict[str, None] = {}
"""Settings: few, and never forgotten however many tokens a process sees."""
_lock = threading.Lock()


def register_secret(value: str | None, *, lasting: bool = False) -> None:
    """Mask this value, also URL- and JSON-encoded, in every text from now on; thread-safe.

    ``lasting`` values, which are settings, are never forgotten for newer ones.
    """
    if value is None or len(value) < _SHORTEST:
        return
    forms = {value, quote(value, safe=""), json.dumps(value)[1:-1]}
    with _lock:
        if lasting:
            _lasting.update(dict.fromkeys(forms))
            return
        for form in forms:
            _registered[form] = None
            _registered.move_to_end(form)
        while len(_registered) > _REMEMBERED:
            _registered.popitem(last=False)


def register_setting(value: str) -> None:
    """Mask a configured secret: each part of a comma separated list, the password of a URL.

    An http(s) URL that is a secret (an alert's address) is one as a whole. Parts shorter than
    eight characters are left out: masking a word would make messages unreadable.
    """
    for part in value.replace(",", "\n").split():
        hidden = part
        if "://" in part and not part.startswith(("http://", "https://")):
            try:
                hidden = unquote(urlsplit(part).password or "")
            except ValueError:
                continue
        if len(hidden) >= _SHORTEST_SETTING:
            register_secret(hidden, lasting=True)


def redact(text: str) -> str:
    """The text with every secret that can be recognised replaced by ``***``."""
    with _lock:
        known = [secret for secret in (*_lasting, *_registered) if secret in text]
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    if _HINTS.search(text) is None:
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def without_persons(text: str) -> str:
    """The text with what names a person in Intuit's faults left out: mail addresses, colleagues."""
    return redact(_ADDRESS.sub(SOMEBODY, text))


def redact_value(value: object, key: str | None = None) -> object:
    """``redact`` for the values of a structured record; numbers, booleans and None stay.

    A value is masked whole where its key names a secret. Unknown objects become their redacted
    text, so that no later serialiser gets to see their attributes.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if key is not None and key.casefold().replace("-", "_") in _SECRET_KEYS:
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {redact(str(name)): redact_value(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item) for item in value]
    return redact(str(value))
