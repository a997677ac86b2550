"""Consents, codes and tokens of the sandbox's authorization server (RFC 6749)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum

from ledgerguard_pipeline.sandbox.switches import Switches

REFRESH_SECONDS = 8_726_400
"""101 days: what a fresh refresh token reports as remaining."""
HARD_SECONDS = 5 * 365 * 86_400
CODE_SECONDS = 600


class InvalidGrantError(Exception):
    """The code or refresh token is unknown, used, superseded, revoked or too old."""


class TokenCheck(Enum):
    """What an access token is worth to one company."""

    GOOD = "good"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    OTHER_COMPANY = "other company"


@dataclass(slots=True)
class _Grant:
    realm: str
    scope: str
    created: float
    refresh: str
    refresh_issued: float
    superseded: dict[str, float] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    revoked: bool = False


@dataclass(slots=True)
class _Code:
    realm: str
    scope: str
    redirect_uri: str
    issued: float
    grant: _Grant | None = None


@dataclass(frozen=True, slots=True, repr=False)
class TokenSet:
    """An answer of the token endpoint; times in seconds from now."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    hard_expires_in: int


class GrantBook:
    """Every grant of one sandbox."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, _Grant] = {}
        self._access: dict[str, tuple[_Grant, float]] = {}
        self.changes = 0
        """Moves whenever a grant was given, renewed or ended."""

    def use(self, switches: Switches) -> None:
        """Follow other switches: these grants were read from a file."""
        self._switches = switches

    def issue_code(self, realm: str, scope: str, redirect_uri: str, now: float) -> str:
        """A code for one exchange, after the user's consent."""
        code = "XAB11" + secrets.token_urlsafe(32)
        self._codes[code] = _Code(realm, scope, redirect_uri, now)
        return code

    def issue(self, realm: str, scope: str, now: float) -> TokenSet:
        """A grant without a consent page, for whoever connects companies by the hundred."""
        grant = _Grant(realm, scope, now, _refresh_value(), now)
        self._refresh[grant.refresh] = grant
        return self._issue(grant, now)

    def adopt(self, realm: str, refresh_token: str, issued: float) -> None:
        """Go on with a grant that another run of the sandbox issued (epoch seconds)."""
        self._refresh[refresh_token] = _Grant(
            realm, "com.intuit.quickbooks.accounting", issued, refresh_token, issued
        )

    def exchange(self, code: str, redirect_uri: str, now: float) -> TokenSet:
        """Turn a code into a grant; a second exchange ends the grant of the first.

        Raises:
            InvalidGrantError: unknown, used or old code, or another redirect URI.
        """
        found = self._codes.get(code)
        if found is None:
            raise InvalidGrantError
        if found.grant is not None:
            found.grant.revoked = True
            raise InvalidGrantError
        if found.redirect_uri != redirect_uri or now > found.issued + CODE_SECONDS:
            raise InvalidGrantError
        grant = _Grant(found.realm, found.scope, now, _refresh_value(), now)
        found.grant = grant
        self._refresh[grant.refresh] = grant
        return self._issue(grant, now)

    def refresh(self, value: str, now: float) -> TokenSet:
        """A new access token, and a new refresh token where the value is old enough.

        Raises:
            InvalidGrantError: the value is dead.
        """
        grant = self._refresh.get(value)
        if grant is None or grant.revoked:
            raise InvalidGrantError
        if value != grant.refresh:
            if now >= grant.superseded[value] + self._switches.rotation_grace_seconds:
                if self._switches.replay_revokes:
                    grant.revoked = True
                raise InvalidGrantError
            return self._issue(grant, now)
        if now >= min(grant.refresh_issued + REFRESH_SECONDS, grant.created + HARD_SECONDS):
            raise InvalidGrantError
        if now - grant.refresh_issued >= self._switches.rotate_after_seconds:
            grant.superseded[value] = now
            grant.refresh, grant.refresh_issued = _refresh_value(), now
            self._refresh[grant.refresh] = grant
        return self._issue(grant, now)

    def revoke(self, token: str) -> bool:
        """End the grant a token belongs to; False where nobody knows the token."""
        grant = self._refresh.get(token) or self._access.get(token, (None, 0.0))[0]
        if grant is None or grant.revoked:
            return False
        grant.revoked = True
        self.changes += 1
        return True

    def judge(self, token: str, realm: str, now: float) -> TokenCheck:
        """Whether an access token opens this company."""
        grant, expires = self._access.get(token, (None, 0.0))
        if grant is None:
            return TokenCheck.UNKNOWN
        if grant.revoked:
            return TokenCheck.REVOKED
        if now >= expires:
            return TokenCheck.EXPIRED
        return TokenCheck.GOOD if grant.realm == realm else TokenCheck.OTHER_COMPANY

    def expire_access(self, realm: str | None = None) -> int:
        """Let access tokens expire now, of one company or of all; returns how many."""
        chosen = [
            (token, grant)
            for token, (grant, expires) in self._access.items()
            if expires > 0.0 and realm in (None, grant.realm)
        ]
        for token, grant in chosen:
            self._access[token] = (grant, 0.0)
        return len(chosen)

    def connected(self, realm: str) -> bool:
        """Whether a company has a live grant of this app; only then Intuit sends events."""
        grants = list(self._refresh.values())
        return any(grant.realm == realm and not grant.revoked for grant in grants)

    def disconnect(self, realm: str | None = None) -> int:
        """Revoke as a user does inside QuickBooks; returns how many grants ended."""
        grants = {id(grant): grant for grant in self._refresh.values()}.values()
        live = [grant for grant in grants if not grant.revoked and realm in (None, grant.realm)]
        for grant in live:
            grant.revoked = True
        self.changes += len(live)
        return len(live)

    def _issue(self, grant: _Grant, now: float) -> TokenSet:
        access = f"eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0..{secrets.token_urlsafe(240)}"
        life = self._switches.access_token_seconds
        self.changes += 1
        grant.access.add(access)
        self._access[access] = (grant, now + life)
        return TokenSet(
            access,
            grant.refresh,
            life,
            int(grant.refresh_issued + REFRESH_SECONDS - now),
            int(grant.created + HARD_SECONDS - now),
        )


def _refresh_value() -> str:
    return "AB11" + secrets.token_urlsafe(34)
