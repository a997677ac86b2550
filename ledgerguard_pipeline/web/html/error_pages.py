"""Which page and status an error becomes. The pages are generic: details go to the log only.

What QuickBooks itself answered is shown while connecting: whoever connects can act on it, and the
client has made it fit for a page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledgerguard_pipeline.errors import (
    BadInputError,
    ConfirmationFailed,
    ConsentDenied,
    ConsentError,
    ControlError,
    KeyUnavailable,
    LedgerGuardError,
    QBOAPIError,
    QBOAuthError,
    QuotaExhausted,
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
    "This link is incomplete, expired or already used. Nothing was stored. Start again from the "
    "Connect button.",
)
_DENIED = Refusal(
    400,
    "The consent was denied",
    "Access was not allowed on Intuit's page, so the company was not connected. Nothing was "
    "stored. If that was a mistake, start again from the Connect button and choose Connect there.",
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
_SPENT = Refusal(
    503,
    "The app's monthly quota is used up",
    "Intuit refuses this app until next month or until its quota is raised in the "
    "developer portal. Nothing was stored.",
)
_UNCONFIRMED = "Access was allowed, but this company's books cannot be read."
_STORE = Refusal(
    503,
    "The company list cannot be read",
    "The control database is busy, full or cannot be reached. Try again in a minute; "
    "`ledgerguard doctor` on the server says what is wrong.",
)
_UNKNOWN = Refusal(
    404,
    "There is no such company",
    "No company of that id is connected here. Nothing was changed.",
)
_KEPT = Refusal(
    503,
    "The company is still connected",
    "Intuit did not confirm the end of the connection, so nothing was changed. Try again in a "
    "minute.",
)
_UNASKED = Refusal(
    503,
    "The company is still connected",
    "Intuit refuses this app until next month or until its quota is raised in the developer portal, "
    "so it did not end the connection either. Disconnect the app inside QuickBooks (Apps, My apps).",
)
_SEALED = Refusal(
    409,
    "The company is still connected",
    "Its stored tokens do not open, so they cannot be revoked from here. Disconnect the app inside "
    "QuickBooks (Apps, My apps); `ledgerguard doctor` on the server says which key is missing. If it "
    "is lost, `ledgerguard disconnect REALM --unopened` there ends the company here as well.",
)
_CONFIGURATION = Refusal(
    409,
    "This installation is not ready",
    "A setting is missing or wrong. `ledgerguard doctor` on the server says which one and what "
    "to do.",
)


def refusal(error: LedgerGuardError) -> Refusal:
    """The answer for an error raised while connecting; 4xx unless repeating may help."""
    said = error.said if isinstance(error, QBOAPIError) else None
    if isinstance(error, ConfirmationFailed):
        again = "Nothing was stored; start again when that is done."
        return replace(_CONSENT, advice=f"{_UNCONFIRMED} {error.reason} {again}")
    if isinstance(error, ConsentDenied):
        return _DENIED
    if isinstance(error, ConsentError):
        return _CONSENT
    if isinstance(error, QuotaExhausted):
        return _SPENT
    if isinstance(error, ControlError) and isinstance(error, Transient):
        return _STORE
    if isinstance(error, Transient):
        answer = "" if said is None else f"QuickBooks answered {said}. "
        return replace(_LATER, advice=answer + _LATER.advice)
    if error.exit_code == 2:
        return _CONFIGURATION
    if isinstance(error, QBOAuthError):
        return _GRANT
    return _GRANT


def disconnect_refusal(error: LedgerGuardError) -> Refusal:
    """The answer for an error raised while disconnecting; the company then stays as it was."""
    if isinstance(error, BadInputError):
        return _UNKNOWN
    if isinstance(error, ControlError) and isinstance(error, Transient):
        return _STORE
    if isinstance(error, QuotaExhausted):
        return _UNASKED
    if isinstance(error, KeyUnavailable):
        return _SEALED
    if isinstance(error, Transient):
        return _KEPT
    return _CONFIGURATION


def page_refusal(error: LedgerGuardError) -> Refusal:
    """The answer for an error raised while a page was made."""
    if isinstance(error, BadInputError):
        return _UNKNOWN if error.realm_id is not None else Refusal(400, _ODD, error.message)
    if isinstance(error, Transient):
        return _STORE
    return _CONFIGURATION


_ODD = "The address was not understood"
