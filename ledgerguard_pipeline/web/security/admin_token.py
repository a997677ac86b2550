"""The admin token: who presents it, how often one may be wrong."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from dataclasses import dataclass

from pydantic import SecretStr

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.web.security.rate_limit import ClientRates

_MISTAKES_AT_ONCE = 10
_MISTAKES_PER_SECOND = 1 / 30


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a presented token opens; ``wait_seconds`` where the address has to wait first."""

    granted: bool
    wait_seconds: int = 0


class AdminToken:
    """Compares tokens in constant time; an address that guesses wrongly too often waits.

    For the server's event loop only: it is not thread-safe.
    """

    def __init__(self, token: SecretStr | None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        shown = "" if token is None else token.get_secret_value()
        self._digest = _sha256(shown.encode()) if shown else None
        self._mistakes = ClientRates(
            per_second=_MISTAKES_PER_SECOND, burst=_MISTAKES_AT_ONCE, clock=clock
        )

    @property
    def has_lock(self) -> bool:
        """False where no admin token is set, so that nobody can present it."""
        return self._digest is not None

    def admit(self, given: bytes, client: str) -> Admission:
        """Compare what the client presents; while it has to wait, nothing is compared."""
        if self._digest is None:
            return Admission(granted=False)
        pause = self._mistakes.wait_seconds(client)
        if pause > 0:
            return Admission(granted=False, wait_seconds=math.ceil(pause))
        if hmac.compare_digest(_sha256(given), self._digest):
            return Admission(granted=True)
        self._mistakes.spend(client)
        return Admission(granted=False)


def bearer(authorization: bytes) -> bytes | None:
    """The token of a bearer header (RFC 6750); None if it is none."""
    scheme, _, value = authorization.partition(b" ")
    return value.strip() if scheme.lower() == b"bearer" else None


def basic(authorization: bytes) -> bytes | None:
    """The password of basic authentication (RFC 7617); None if it is none."""
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _sha256(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
