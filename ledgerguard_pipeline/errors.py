"""Every error the package raises on purpose.

LedgerGuardError
├── BadInputError                 (NeedsHuman) exit 2
├── ConfigurationError            (NeedsHuman) exit 2
├── QBOAuthError                  the grant: tokens, consent, state
│   ├── ReauthorizationRequired   (NeedsHuman) the grant is dead: connect again
│   ├── CredentialsRejected       (NeedsHuman) Intuit refuses this app's client id or secret
│   ├── ConsentError              (Terminal)   denied, forged, expired or replayed consent
│   │   └── ConfirmationFailed    (Terminal)   given, but the company cannot be read
│   └── TokenEndpointUnavailable  (Transient)  no usable answer; the grant is untouched
│       └── TokenEndpointThrottled (Transient) 429: asked to wait, or the app's month is used up
├── QBOAPIError                   an answer (or none) of the Accounting API
│   ├── Throttled                 (Transient)  429
│   ├── QuotaExhausted            (NeedsHuman) 429 that does not end: the app's month is used up
│   ├── ServiceUnavailable        (Transient)  5xx, connection lost, unreadable answer
│   │   └── AnswerTooSlow         (Transient)  504, 408: nothing came in time
│   ├── AccessDenied              (NeedsHuman) 401 after a refresh, 403, wrong cluster
│   ├── CompanyUnavailable        (NeedsHuman) 6190, 7001 lapsed, locked out
│   ├── NotFound                  (Terminal)   610
│   ├── FeatureUnavailable        (Terminal)   5020, 5030: the edition lacks it
│   ├── ChangesTooOld             (Terminal)   CDC beyond its 30 days
│   ├── PoisonPage                (Terminal)   4002, 10000: one record fails a whole page
│   │   ├── UnreadableRecord      (Terminal)   a read shows an object whose row is no text
│   │   └── AnswerTooBig          (Terminal)   10100: more than one answer can hold
│   │       └── ReportCut         (Terminal)   a report that ends at Intuit's limit of cells
│   └── RequestRejected           (Terminal)   any other refusal
│       └── NoQuery               (Terminal)   the entity type cannot be queried
├── CallBudgetSpent               (NeedsHuman) optional work left out; not a failure
├── CustodyError                  keys and ciphertexts
│   └── KeyUnavailable            (NeedsHuman)
├── ControlError                  the control plane's database
│   ├── ControlUnavailable        (Transient)  locked too long, full, or not reachable
│   │   └── ControlUnreachable    (Transient)  its server does not answer at the start; exit 2
│   ├── LostRace                  (Transient)  another process wrote first; read again
│   └── SchemaMismatch            (NeedsHuman) written by a newer version of this program
├── BronzeError                   the Bronze store
│   ├── BronzeBusy                (Transient)  another process holds the file
│   ├── BronzeUnusable            (NeedsHuman) the file or its log is damaged, or not readable
│   ├── BronzeUnavailable         (Transient)  the lake's catalog database does not answer
│   └── WrongEnvironment          (NeedsHuman) the file belongs to the other environment
├── AlertError                    an alert that did not reach its channel
│   ├── ChannelUnavailable        (Transient)  no usable answer; tried again
│   └── ChannelRejected           (NeedsHuman) the channel's address or password is wrong
└── IngestionError                a sync that could not finish
    ├── RightsInDoubt             (NeedsHuman) objects vanish from answers, single reads find them
    ├── CompanyBusy               (Transient)  somebody else syncs this company just now
    └── OutOfTime                 (Transient)  the company's share of a sweep's time is used up

``Transient`` may succeed unchanged later; ``Terminal`` never will; ``NeedsHuman`` says what
somebody has to do. ``CompanyWide`` stops every entity type of a company alike. Messages are one
sentence on what happened and one on what to do; they carry ids, never secrets.
"""

from __future__ import annotations

from enum import StrEnum


class Transient:
    """The same call may succeed later; retry layers look for this class."""


class Terminal:
    """Repeating the call cannot help."""


class NeedsHuman(Terminal):
    """Somebody has to act; the message says what to do."""


class CompanyWide:
    """The company or the whole installation is the reason, not one entity type."""


class FailureKind(StrEnum):
    """Whose action a failure needs."""

    TRANSIENT = "transient"
    """Nobody: the next attempt may succeed."""
    TERMINAL = "terminal"
    """Nobody can; the request or the data is the reason."""
    NEEDS_HUMAN = "needs_human"
    """Somebody; the message says what to do."""

    @classmethod
    def of(cls, error: BaseException) -> FailureKind:
        """The kind of an error; one that nobody foresaw may well go away."""
        if isinstance(error, NeedsHuman):
            return cls.NEEDS_HUMAN
        return cls.TERMINAL if isinstance(error, Terminal) else cls.TRANSIENT


class LedgerGuardError(Exception):
    """Base of the tree; carries where it happened."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        realm_id: str | None = None,
        entity: str | None = None,
        fault_code: str | None = None,
        intuit_tid: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.realm_id = realm_id
        self.entity = entity
        self.fault_code = fault_code
        self.intuit_tid = intuit_tid
        self.status = status

    def __str__(self) -> str:
        where = ", ".join(
            f"{name} {value}"
            for name, value in (
                ("realm", self.realm_id),
                ("entity", self.entity),
                ("status", self.status),
                ("fault", self.fault_code),
                ("intuit_tid", self.intuit_tid),
            )
            if value is not None
        )
        return f"{self.message} ({where})" if where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.__dict__))


def _rebuild(
    kind: type[LedgerGuardError], message: str, state: dict[str, object]
) -> LedgerGuardError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class BadInputError(LedgerGuardError, NeedsHuman):
    """Bad input: it is not usable, and nothing was done."""

    exit_code = 2


class ConfigurationError(LedgerGuardError, NeedsHuman, CompanyWide):
    """A setting is missing or contradicts another; nothing was done."""

    exit_code = 2


class QBOAuthError(LedgerGuardError):
    """The OAuth grant of a company could not be used (RFC 6749, Intuit OAuth 2.0)."""


class ReauthorizationRequired(QBOAuthError, NeedsHuman, CompanyWide):
    """The company's grant is dead; only a new consent helps."""


class CredentialsRejected(QBOAuthError, NeedsHuman, CompanyWide):
    """Intuit refuses the app's client id or secret (``invalid_client``); grants are untouched."""

    exit_code = 2


class ConsentError(QBOAuthError, Terminal):
    """A consent was denied, or its callback is forged, expired or replayed; nothing stored."""

    exit_code = 2


class ConsentDenied(ConsentError):
    """Whoever signed in did not allow access; nothing stored."""


class ConfirmationFailed(ConsentError):
    """Consent was given, but QuickBooks does not let the company be read; nothing stored."""

    reason: str = ""
    """What QuickBooks said and what to do, fit for a page."""


class TokenEndpointUnavailable(QBOAuthError, Transient, CompanyWide):
    """The token endpoint gave no usable answer; the stored grant is untouched."""

    why: str | None = None
    """The cause alone, as a part of a sentence; None where Intuit was not asked at all."""


class TokenEndpointThrottled(TokenEndpointUnavailable):
    """429 of the token endpoint: a limit that lets go, or the app's month; no grant was touched."""

    retry_after: float | None = None
    """Seconds to wait; None where Intuit named none."""


class QBOAPIError(LedgerGuardError):
    """The Accounting API refused or failed a call."""

    said: str | None = None
    """What QuickBooks itself said, fit for a page: one line, no secret, no person."""


class Throttled(QBOAPIError, Transient, CompanyWide):
    """HTTP 429; ``retry_after`` is in seconds, or None where Intuit named none."""

    def __init__(self, message: str, *, retry_after: float | None = None, **where: object) -> None:
        super().__init__(message, **where)  # type: ignore[arg-type]  # same keywords as the base
        self.retry_after = retry_after


class QuotaExhausted(QBOAPIError, NeedsHuman, CompanyWide):
    """429 that outlasts every pause, of calls or of the token endpoint: Intuit refuses the app's
    reads for the rest of the month.
    """


class ServiceUnavailable(QBOAPIError, Transient):
    """5xx, a lost connection, a time-out or an answer that is not what it claims to be."""

    retry_after: float | None = None
    """Seconds Intuit asked to wait (``Retry-After``), where it did."""


class AnswerTooSlow(ServiceUnavailable):
    """504, 408, 6002 or silence: Intuit is down, or so many rows take it too long."""


class AccessDenied(QBOAPIError, NeedsHuman, CompanyWide):
    """401 after a refresh, 403, or a token used against the wrong realm or environment."""


class CompanyUnavailable(QBOAPIError, NeedsHuman, CompanyWide):
    """The company is locked out or its subscription ended (6190, 7001 "lapsed", 140)."""


class NotFound(QBOAPIError, Terminal):
    """Error 610: no object of that id is alive."""


class FeatureUnavailable(QBOAPIError, Terminal):
    """5020 / 5030: the company's edition has no such entity."""


class ChangesTooOld(QBOAPIError, Terminal):
    """CDC reaches back 30 days only; use a query or a full walk."""


class PoisonPage(QBOAPIError, Terminal):
    """4002 / repeated 10000: at least one record makes the whole answer fail."""


class UnreadableRecord(PoisonPage):
    """A read shows the object, and its row cannot be read; the object is there."""

    row: object = None
    """What was sent (``values.Reject``), to be kept in quarantine."""


class AnswerTooBig(PoisonPage):
    """10100: the rows asked for do not fit into one answer; ask for fewer."""


class ReportCut(AnswerTooBig):
    """A report that Intuit cut at its limit of cells; nothing of it counts."""

    answer: object = None
    """What was sent (``qbo.answers.report.ReportAnswer``), to be kept as evidence."""


class RequestRejected(QBOAPIError, Terminal):
    """Any other refusal: the request itself is wrong."""


class NoQuery(RequestRejected):
    """QuickBooks says that it serves no query of the entity type, whatever is asked."""


class CallBudgetSpent(LedgerGuardError, NeedsHuman):
    """The rest of the month's calls is kept for changes; optional work is skipped."""


class CustodyError(LedgerGuardError):
    """Stored secrets could not be read or written."""


class KeyUnavailable(CustodyError, NeedsHuman, CompanyWide):
    """No key of the ring opens a ciphertext, or the key file is damaged; fails closed."""

    exit_code = 2


class ControlError(LedgerGuardError):
    """The control plane's database refused or failed."""


class ControlUnavailable(ControlError, Transient):
    """The database was locked too long, is full or cannot be reached; nothing was written."""


class ControlUnreachable(ControlUnavailable):
    """A server that a setting names does not answer when a process starts; nothing was done."""

    exit_code = 2


class LostRace(ControlError, Transient):
    """Another process changed the row first; nothing was written, read it again."""


class SchemaMismatch(ControlError, NeedsHuman, CompanyWide):
    """The database was written by a newer version of this program."""

    exit_code = 2


class BronzeError(LedgerGuardError):
    """The Bronze store refused or failed."""


class BronzeBusy(BronzeError, Transient):
    """Another process held the Bronze file longer than the wait limit."""


class BronzeUnavailable(BronzeError, Transient):
    """The catalog database of the lake did not answer within the wait limit."""


class BronzeUnusable(BronzeError, NeedsHuman, CompanyWide):
    """The Bronze file cannot be opened: it or its log is damaged, or this user may not."""


class WrongEnvironment(BronzeError, NeedsHuman, CompanyWide):
    """The Bronze store belongs to the other Intuit environment."""

    exit_code = 2


class AlertError(LedgerGuardError):
    """An alert did not reach its channel; names the channel, never its address."""


class ChannelUnavailable(AlertError, Transient):
    """The channel gave no usable answer.

    ``retry_after`` is in seconds, or None where the channel named none.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelRejected(AlertError, NeedsHuman):
    """The channel refuses what it is configured with; somebody has to correct a setting."""


class IngestionError(LedgerGuardError):
    """A sync could not finish for one company or entity; the next one continues."""

    result: dict[str, object] | None = None
    """The document of a run of which every entity failed, where there was one."""


class RightsInDoubt(IngestionError, NeedsHuman):
    """Answers lack objects that are not deleted: the consenting person may have lost rights."""


class CompanyBusy(IngestionError, Transient):
    """Another run, sweep or command works on this company; nothing was done."""


class OutOfTime(IngestionError, Transient):
    """The company's share of a sweep's time is used up, or its work was stopped.

    Committed rows stay, the rest comes next.
    """


def wrap(
    cause: Exception, what: str, then: str, *, realm_id: str | None = None
) -> LedgerGuardError:
    """An error of this tree for whatever went wrong; one of the tree stays itself.

    ``what`` is what did not work out, ``then`` what happens next. A company is added where none
    is named yet.
    """
    if isinstance(cause, LedgerGuardError):
        cause.realm_id = cause.realm_id or realm_id
        return cause
    error = IngestionError(
        f"{what} ({type(cause).__name__}: {cause}). Nothing half-written remains; {then}.",
        realm_id=realm_id,
    )
    error.__cause__ = cause
    return error
