"""Posting JSON to one address that is itself a secret.

The standard library's client on purpose: it follows no redirect, reads no proxy or netrc from
the environment, and logs no path (in Slack's format the path is the password).

Decision 24 in docs/decisions.md.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.timebox import (
    CONNECT_SECONDS,
    READ_SECONDS,
    TOTAL_SECONDS,
    timebox,
)
from ledgerguard_pipeline.errors import ChannelRejected, ChannelUnavailable
from ledgerguard_pipeline.observability.redaction import register_secret

_LATER = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Address:
    """An https (loopback: http) URL, kept out of every text; ``variable`` is the setting's name."""

    url: SecretStr
    variable: str
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context, repr=False)
    total_seconds: float = TOTAL_SECONDS

    def __post_init__(self) -> None:
        value = self.url.get_secret_value()
        register_secret(value, lasting=True)
        register_secret(urlsplit(value).path.strip("/"), lasting=True)

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send; returns when the answer was 2xx.

        Raises:
            ChannelUnavailable: no answer in time, 429 or 5xx.
            ChannelRejected: any other answer, or a certificate that does not fit.
        """
        parts = urlsplit(self.url.get_secret_value())
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Content-Type": "application/json", "User-Agent": "ledgerguard-pipeline", **headers}
        with _Open(self) as connection:
            connection.request("POST", target, body=body, headers=sent)
            # Its body is of no interest: the connection serves this one request.
            with connection.getresponse() as answer:
                self._judge(answer.status, answer.headers.get("Retry-After"))

    def probe(self) -> None:
        """Connect (TLS included) and hang up; nothing is sent.

        Raises:
            ChannelUnavailable, ChannelRejected: as ``post``.
        """
        with _Open(self):
            return

    def _judge(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        if status in _LATER or status >= 500:
            seconds = retry_after or ""
            raise ChannelUnavailable(
                f"{self.variable} answered {status}; it will be tried again.",
                retry_after=min(float(seconds), _LONGEST_WAIT) if seconds.isdecimal() else None,
            )
        hint = " (redirects are not followed)" if 300 <= status < 400 else ""
        raise ChannelRejected(
            f"{self.variable} answered {status}{hint}. Copy the address again from where it was "
            "made, then run `ledgerguard alerts test`."
        )


class _Open:
    """A connection for one request, cut off after the total time; errors come out typed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        parts = urlsplit(address.url.get_secret_value())
        host = parts.hostname or ""
        self._connection = (
            http.client.HTTPSConnection(
                host, parts.port, timeout=CONNECT_SECONDS, context=address.tls()
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=CONNECT_SECONDS)
        )
        # Kept apart: the connection forgets its socket as soon as an answer begins.
        self._socket: socket.socket | None = None
        self._limit = timebox(lambda: self._socket, address.total_seconds)

    def __enter__(self) -> http.client.HTTPConnection:
        self._limit.__enter__()
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            self._connection.sock.settimeout(READ_SECONDS)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._limit.__exit__(None, None, None)
        self._connection.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            raise ChannelRejected(
                f"The certificate of {self._address.variable} is not valid for it "
                f"({error.verify_message}). Renew it, or correct the address."
            ) from None
        if isinstance(error, OSError | http.client.HTTPException):
            raise ChannelUnavailable(
                f"{self._address.variable} cannot be reached ({type(error).__name__}). Check DNS, "
                "firewall and the address; proxies from the environment are not used."
            ) from None
