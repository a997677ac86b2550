"""One HTTP request, decoded as far as the sandbox needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Request:
    """``headers`` have lower-case names; ``query`` is the raw query string."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def malformed(self) -> bool:
        """True for a bare ``%`` in the URL, which the servlet container refuses."""
        return _BAD_ESCAPE.search(self.query) is not None

    @cached_property
    def params(self) -> dict[str, str]:
        """Query parameters; a ``+`` is a blank, as everywhere on the web."""
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The members of a form-encoded body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def wants_json(self) -> bool:
        """JSON has to be asked for by name; everything else gets XML."""
        return "json" in self.headers.get("accept", "").lower()

    @property
    def takes_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "").lower()

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
