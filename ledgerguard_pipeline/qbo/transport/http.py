"""The one way out: a pooled OAuth2Session that reaches Intuit's hosts and nothing else.

Redirects are never followed, proxies and netrc of the environment are ignored (a netrc entry
would replace the token), cookies are dropped, and a body has to be complete before a total
deadline, however slowly its bytes drip. Tokens are handed in per call and never kept here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import AnswerTooSlow, ServiceUnavailable
from ledgerguard_pipeline.qbo.transport.hosts import Hosts

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""Intuit cuts calls off after 120 seconds; longer silence means nobody is there."""
ANSWER_SECONDS = 180.0
"""From the first byte sent to the last byte read."""
MAX_BODY_BYTES = 256 * 1024 * 1024
_CHUNK = 256 * 1024


def _no_debug(record: logging.LogRecord) -> bool:
    """requests-oauthlib writes tokens and secrets into its DEBUG lines: drop those."""
    return record.levelno > logging.DEBUG


for _name in ("requests_oauthlib.oauth2_session", "requests_oauthlib", "oauthlib.oauth2"):
    logging.getLogger(_name).addFilter(_no_debug)


class _LoopbackAdapter(HTTPAdapter):
    """Speaks plain http to a loopback origin that the session addresses as https.

    oauthlib refuses http outright unless a process-wide environment variable allows it to every
    host; this opens exactly one local origin instead.
    """

    def send(  # type: ignore[override]  # the same keywords, passed through
        self, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        request.url = "http://" + (request.url or "").removeprefix("https://")
        return super().send(request, **options)  # type: ignore[arg-type]  # as above


class Transport(OAuth2Session):
    """A session for one environment; safe for as many threads as it has connections."""

    def __init__(
        self,
        client_id: str,
        hosts: Hosts,
        clock: Clock,
        *,
        max_connections: int = 8,
        timeouts: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(client_id=client_id)
        self._hosts = hosts
        self._clock = clock
        self._timeouts = timeouts
        self._answer_seconds = answer_seconds
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers["Accept-Encoding"] = "gzip"
        self.headers["User-Agent"] = "ledgerguard-pipeline"
        # Only our own origins get an adapter: a call to any other host has no way out.
        self.adapters.clear()
        for origin in hosts.origins:
            kind = _LoopbackAdapter if origin.startswith("http://") else HTTPAdapter
            self.mount(
                self.address(origin + "/"), kind(pool_maxsize=max_connections, pool_block=True)
            )

    def address(self, url: str) -> str:
        """The URL under which this session knows one of its hosts; others stay as they are."""
        for origin in self._hosts.origins:
            if origin.startswith("http://") and url.startswith(origin + "/"):
                return "https://" + url.removeprefix("http://")
        return url

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        deadline: float | None = None,
    ) -> requests.Response:
        """Send one call and read its whole body.

        ``deadline`` is in ``clock.monotonic()`` seconds and only ever shortens the wait.

        Raises:
            ConfigurationError: the URL is none of the environment's hosts.
            ServiceUnavailable: no complete answer arrived in time.
        """
        self._hosts.check(url)
        limit = self._clock.monotonic() + self._answer_seconds
        if deadline is not None:
            limit = min(limit, deadline)
        try:
            response = self.request(
                method,
                self.address(url),
                headers=dict(headers),
                params=params,
                data=data,
                withhold_token=True,
                allow_redirects=False,
                stream=True,
                timeout=self._timeouts,
            )
            with response:
                return self._complete(response, limit)
        except requests.ReadTimeout as error:
            raise AnswerTooSlow(
                "QuickBooks did not answer in time. Nothing was stored; the next sync tries again."
            ) from error
        except requests.RequestException as error:
            raise ServiceUnavailable(
                f"QuickBooks gave no answer ({type(error).__name__}). Check the network; the "
                "next sync tries again."
            ) from error

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nothing is ever followed: a redirect could carry a token to another host."""
        del resp

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        """Every request of this session, the token endpoint's included, ends up here."""
        options["timeout"] = options.get("timeout") or self._timeouts
        options["allow_redirects"] = False
        if options.get("stream"):
            return super().send(request, **options)  # type: ignore[arg-type]
        limit = self._clock.monotonic() + self._answer_seconds
        with super().send(request, **{**options, "stream": True}) as response:  # type: ignore[arg-type]
            return self._complete(response, limit)

    def _complete(self, response: requests.Response, limit: float) -> requests.Response:
        """Read the body chunk by chunk, so that a dripping answer cannot outlast the limit."""
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise requests.exceptions.ContentDecodingError("the body is too large")
                if self._clock.monotonic() > limit:
                    raise requests.exceptions.ReadTimeout("the body did not end in time")
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
            raise requests.ReadTimeout(type(error).__name__) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.exceptions.ConnectionError(type(error).__name__) from error
        response._content = b"".join(chunks)  # noqa: SLF001  # requests offers no setter
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response
