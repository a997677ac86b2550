"""From the token endpoint's lifetimes in seconds to the instants that are stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import ConsentError
from ledgerguard_pipeline.qbo.oauth.endpoint import LONGEST_SECONDS, Grant


def tokens_of(grant: Grant, now: datetime, *, previous: Tokens | None = None) -> Tokens:
    """The tokens to store from an answer; values it omits are kept from ``previous``.

    Raises:
        ConsentError: there is no refresh token, neither new nor old.
    """
    refresh_token = grant.refresh_token or (previous.refresh_token if previous else None)
    if refresh_token is None:
        raise ConsentError(
            "Intuit gave no refresh token, so the company could not be kept connected; nothing "
            "was stored. Start again with `ledgerguard connect`."
        )
    return Tokens(
        access_token=grant.access_token,
        refresh_token=refresh_token,
        access_expires_at=now + timedelta(seconds=_sane(grant.expires_in)),
        refresh_expires_at=_end(now, grant.refresh_expires_in)
        or (previous.refresh_expires_at if previous else None),
        hard_expires_at=_end(now, grant.hard_expires_in)
        or (previous.hard_expires_at if previous else None),
    )


def _end(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=_sane(seconds))


def _sane(seconds: int) -> int:
    return min(max(seconds, 0), LONGEST_SECONDS)
