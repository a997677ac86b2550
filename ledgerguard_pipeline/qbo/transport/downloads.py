"""Downloading a file through the short-lived link that QuickBooks gives.

The link is a credential of its own: it is sent without the company's token, follows no redirect,
stands in no message and in no log line, and is forgotten with the call. Facts: a link lives 900
seconds; its host is Intuit's or its object store's.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import requests

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.errors import NotFound, QBOAPIError, ServiceUnavailable
from ledgerguard_pipeline.qbo.transport.http import CONNECT_SECONDS, READ_SECONDS

FILE_SECONDS = 600.0
"""From the first byte asked for to the last one written."""
MAX_FILE_BYTES = 1024 * 1024 * 1024
"""QuickBooks takes files of 100 MB at most."""

_CHUNK = 256 * 1024
_INTUIT = ".intuit.com"


class LinkExpired(ServiceUnavailable):
    """The link is not accepted any more; a new one will be."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came: bytes and their hash."""

    size: int
    sha256: str


def _without_queries(record: logging.LogRecord) -> bool:
    """urllib3 writes paths with their query, which is the credential, into its DEBUG lines.

    Never taken off again: another download may be under way in another thread.
    """
    return record.levelno > logging.DEBUG


class Downloads(Closing):
    """A session for files. ``base_url`` replaces Intuit's hosts, as for all other calls."""

    def __init__(self, base_url: str | None, clock: Clock) -> None:
        self._base_url = base_url
        self._clock = clock
        logging.getLogger("urllib3.connectionpool").addFilter(_without_queries)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "ledgerguard-pipeline"
        self._session.headers["Accept-Encoding"] = "identity"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fetch(self, link: str, write: Callable[[bytes], object], stated: int | None) -> Downloaded:
        """Hand the file's bytes out as they come.

        ``stated`` is the size that QuickBooks says; a shorter file was cut off.

        Raises:
            LinkExpired: a new link is needed.
            NotFound: there is no file behind it.
            ServiceUnavailable: the file did not come, or not whole.
            QBOAPIError: the link leads to a host that is not asked, or elsewhere.
        """
        try:
            response = self._session.get(
                self._address(link),
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
            with response:
                _check(response.status_code)
                return self._read(response, write, stated)
        except requests.RequestException as error:
            # Its text has the address, and so has its cause.
            raise ServiceUnavailable(
                f"The file did not come ({type(error).__name__}); the next run asks for it again."
            ) from None

    def _read(
        self, response: requests.Response, write: Callable[[bytes], object], stated: int | None
    ) -> Downloaded:
        until = self._clock.monotonic() + FILE_SECONDS
        digest, size = hashlib.sha256(), 0
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > MAX_FILE_BYTES:
                raise QBOAPIError("The file is larger than any that QuickBooks takes; it was left.")
            if self._clock.monotonic() > until:
                raise ServiceUnavailable("The file took too long; the next run asks for it again.")
            digest.update(chunk)
            write(chunk)
        announced = response.headers.get("Content-Length", "")
        expected = int(announced) if announced.isdecimal() else stated
        if expected is not None and size != expected:
            raise ServiceUnavailable(
                f"Only {size:,} of {expected:,} bytes came; the next run asks for the file again."
            )
        return Downloaded(size, digest.hexdigest())

    def _address(self, link: str) -> str:
        """The link as it is asked.

        Raises:
            QBOAPIError: it is no https address (plain http: loopback only).
        """
        parts = urlsplit(link)
        host = parts.hostname or ""
        if self._base_url is not None and host.endswith(_INTUIT):
            base = urlsplit(self._base_url)
            parts = parts._replace(scheme=base.scheme, netloc=base.netloc)
            host = base.hostname or ""
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        if not secure or not host or parts.username is not None:
            raise QBOAPIError(
                "QuickBooks gave a link that is no https address; it was not followed."
            )
        return urlunsplit(parts)


def _check(status: int) -> None:
    if status == 200:
        return
    if status in (400, 401, 403):
        raise LinkExpired("The link to the file has ended; a new one is asked for.")
    if status in (404, 410):
        raise NotFound("QuickBooks has no file behind this attachment any more.")
    if status in (301, 302, 303, 307, 308):
        raise QBOAPIError("The link to the file leads elsewhere; it was not followed.")
    raise ServiceUnavailable(f"The file did not come (HTTP {status}); the next run asks again.")
