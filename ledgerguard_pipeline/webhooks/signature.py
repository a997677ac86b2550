"""Intuit's signature: base64 of HMAC-SHA256 over the raw body, keyed by the verifier token.

Source: Intuit's "Webhooks" page. A token belongs to one app in one environment; while it is
being changed, both the old and the new one are accepted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from pydantic import SecretStr

HEADER = "intuit-signature"

_SHAPE = re.compile(rb"[A-Za-z0-9+/]{43}=")


class Verifier:
    """Checks deliveries against every verifier token that is valid now."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._keys = tuple(token.encode() for token in tokens if token)

    @classmethod
    def of(cls, setting: SecretStr | str | None) -> Verifier:
        """From ``INTUIT_WEBHOOK_VERIFIER_TOKEN``: one or more tokens, comma separated."""
        if setting is None:
            return cls(())
        text = setting.get_secret_value() if isinstance(setting, SecretStr) else setting
        return cls([part.strip() for part in text.split(",")])

    def __repr__(self) -> str:
        return f"Verifier({len(self._keys)} tokens)"

    @property
    def configured(self) -> bool:
        """False where no token is set: then nothing may be accepted."""
        return bool(self._keys)

    def matching(self, body: bytes, signature: bytes | str | None) -> int | None:
        """Which token (counted from 0, newest first) signed the body; None if none did.

        Takes the same time for every signature of the right shape, and never raises: garbage of
        any kind is simply no signature.
        """
        given = shaped(signature)
        if given is None:
            return None
        found: int | None = None
        for number, key in enumerate(self._keys):
            # Not hmac.digest: that gives up the interpreter's lock however short the body is, and
            # a busy receiver then waits milliseconds to get it back.
            digest = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest())
            # No early return: which token matched must not show in the time it takes.
            if hmac.compare_digest(digest, given) and found is None:
                found = number
        return found


def shaped(signature: bytes | str | None) -> bytes | None:
    """The signature as bytes if it could be one at all: base64 of 32 bytes, no more."""
    if isinstance(signature, str):
        try:
            signature = signature.encode("ascii")
        except UnicodeEncodeError:
            return None
    if not isinstance(signature, bytes) or _SHAPE.fullmatch(signature.strip()) is None:
        return None
    return signature.strip()


def sign(body: bytes, token: str) -> str:
    """The signature Intuit would send with this body."""
    return base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()
