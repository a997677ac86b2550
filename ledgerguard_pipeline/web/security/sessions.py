"""The browser session: one signed cookie, nothing kept on the server.

It binds an OAuth state to the browser that asked for it, carries who signed in with the admin
token, and makes the tokens that forms have to bring back (CSRF). Its key comes from the key ring
and the admin token: whoever changes either signs everybody out.

Decision 32 in docs/decisions.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import SecretStr

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock

COOKIE = "ledgerguard"
SECURE_COOKIE = "__Host-ledgerguard"
"""Browsers accept this name over https only, for this host only (RFC 6265bis, 4.1.3.2)."""

SESSION_SECONDS = 12 * 3600

_PURPOSE = "web session"
_LONGEST = 200
_SIGNED = re.compile(r"([A-Za-z0-9_-]{32})\.([0-9]{1,12})\.([au])\.([0-9a-f]{64})", re.ASCII)

Keys = Callable[[str], Iterable[bytes]]
"""Derives signing keys for a purpose, newest first (``Keyring.derived``)."""


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One browser; ``id`` is secret. ``until`` is in seconds since the epoch."""

    id: str
    admin: bool
    until: int

    def __repr__(self) -> str:
        return f"BrowserSession(admin={self.admin}, until={self.until})"


class Sessions:
    """Issues, reads and signs sessions. Thread-safe: it keeps nothing."""

    def __init__(
        self, keys: Keys, admin_token: SecretStr | None, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._derive = keys
        token = "" if admin_token is None else admin_token.get_secret_value()
        self._salt = hashlib.sha256(token.encode()).digest()
        self._clock = clock

    def start(self, *, admin: bool = False) -> BrowserSession:
        """A session of a browser that has none, or, with ``admin``, one that just signed in."""
        until = int(self._clock.now().timestamp()) + SESSION_SECONDS
        return BrowserSession(secrets.token_urlsafe(24), admin, until)

    def read(self, cookies: str, *, secure: bool) -> BrowserSession | None:
        """The session a ``Cookie`` header carries; None if there is none, or forged or over.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        session = self.known(cookies, secure=secure)
        now = self._clock.now().timestamp()
        return session if session is not None and now < session.until else None

    def known(self, cookies: str, *, secure: bool) -> BrowserSession | None:
        """As ``read``, also if it is over: a consent may outlive the session it began in.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        found = _SIGNED.fullmatch(_cookie(cookies, SECURE_COOKIE if secure else COOKIE))
        if found is None:
            return None
        text, given = found[0].rpartition(".")[0], found[4]
        if not any(hmac.compare_digest(_mac(key, text), given) for key in self._keys()):
            return None
        return BrowserSession(found[1], found[3] == "a", int(found[2]))

    def cookie(self, session: BrowserSession, *, secure: bool) -> str:
        """The ``Set-Cookie`` header that hands the session to the browser.

        It ends with the browser's session, and at the latest when the signature says so.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        text = f"{session.id}.{session.until}.{'a' if session.admin else 'u'}"
        return _set_cookie(f"{text}.{_mac(self._newest(), text)}", secure=secure)

    def farewell(self, *, secure: bool) -> str:
        """The ``Set-Cookie`` header that makes the browser forget."""
        return _set_cookie("", secure=secure) + "; Max-Age=0"

    def form_token(self, session: BrowserSession, action: str) -> str:
        """What a form of this session that posts to ``action`` has to bring back.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        return _mac(self._newest(), f"form|{session.id}|{action}")

    def genuine(self, session: BrowserSession, action: str, given: str) -> bool:
        """True if ``given`` is this session's token for ``action``.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        text = f"form|{session.id}|{action}"
        shown = given.encode("utf-8", "replace")
        return any(hmac.compare_digest(_mac(key, text).encode(), shown) for key in self._keys())

    def _keys(self) -> tuple[bytes, ...]:
        return tuple(hmac.digest(key, self._salt, "sha256") for key in self._derive(_PURPOSE))

    def _newest(self) -> bytes:
        return self._keys()[0]


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _cookie(header: str, name: str) -> str:
    """One cookie's value; of several of one name none is believed."""
    values = [
        value.strip()
        for part in header.split(";")
        for key, marker, value in [part.partition("=")]
        if marker and key.strip() == name
    ]
    return values[0] if len(values) == 1 and len(values[0]) <= _LONGEST else ""


def _set_cookie(value: str, *, secure: bool) -> str:
    name, extra = (SECURE_COOKIE, "; Secure") if secure else (COOKIE, "")
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{extra}"
