"""Which page and status an error becomes. The pages are generic: details go to the log only."""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.errors import (
    ConsentError,
    LedgerGuardError,
    QBOAuthError,
    Transient,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and what the page says."""

    status: int
    title: str
    advice: str


_CONSENT = Refusal(
    400,
    "The connection was not made",
    "The consent was denied, or this link is incomplete, expired or already used. "
    "Nothing was stored. Start again from the Connect button.",
)
_GRANT = Refusal(
    400,
    "The connection was not made",
    "Intuit did not accept this sign-in. Nothing was stored. Start again; if it happens twice, "
    "`ledgerguard doctor` on the server says what is wrong.",
)
_LATER = Refusal(
    503,
    "QuickBooks did not answer",
    "Intuit could not be reached or gave no usable answer. Nothing was stored. Try again in a "
    "minute.",
)
_CONFIGURATION = Refusal(
    409,
    "This installation is not ready",
    "A setting is missing or wrong. `ledgerguard doctor` on the server says which one and what "
    "to do.",
)


def refusal(error: LedgerGuardError) -> Refusal:
    """The answer for an error raised while connecting; 4xx unless repeating may help."""
    if isinstance(error, ConsentError):
        return _CONSENT
    if isinstance(error, Transient):
        return _LATER
    if error.exit_code == 2:
        return _CONFIGURATION
    if isinstance(error, QBOAuthError):
        return _GRANT
    return _GRANT
