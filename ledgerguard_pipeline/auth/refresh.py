"""One refresh: noted before the call, stored before it is used, declared dead only for sure.

What Intuit answers decides: ``invalid_grant`` is about this company's grant, ``invalid_client``
about the app's own keys, 429 about its limits, anything else about the moment. Why it failed is
written down beside the attempt, where every surface finds it. Every function here runs in the company's
lease (``auth.refresh_lease``). Facts: Intuit's OAuth 2.0 FAQ; RFC 6749 section 5.2.

Decision 26 in docs/decisions.md.
"""

from __future__ import annotations

import math
from contextlib import suppress

import structlog

from ledgerguard_pipeline.auth.confirmation import REFUSED_AGAIN
from ledgerguard_pipeline.auth.refresh_lease import RefreshLease
from ledgerguard_pipeline.auth.token_lifetimes import tokens_of
from ledgerguard_pipeline.clock import Backoff
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.throttle_log import APP, exhausted, still_waiting
from ledgerguard_pipeline.control.tokens.sql_store import RefreshAttempt, Tokens
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import (
    ControlUnavailable,
    CredentialsRejected,
    LedgerGuardError,
    LostRace,
    QuotaExhausted,
    ReauthorizationRequired,
    TokenEndpointThrottled,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.observability.redaction import register_secret
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.values import RealmId

PATIENCE_SECONDS = 30.0
"""How long one caller keeps trying to store a new grant while the store is down."""

REFUSED_SECONDS = 30.0
"""How long a process asks nothing more after Intuit refused the app's own keys.

They are read at start, so a corrected secret comes with a new process, which asks at once.
"""

_FREE_TRIES = 3
_ASKING = Backoff(first=5.0, longest=900.0)
_STORING = Backoff(first=0.1, longest=5.0)

_log = structlog.get_logger(__name__)


class _Unstored:
    """A grant Intuit gave that could not be put on disk yet; it is not used until it is."""

    def __init__(self, tokens: Tokens, replaces: int) -> None:
        self.tokens = tokens
        self.replaces = replaces


class Refresher:
    """Asks Intuit for new tokens on behalf of one process. Thread-safe per company."""

    def __init__(
        self,
        control: ControlPlane,
        oauth: OAuthEndpoint,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._control = control
        self._oauth = oauth
        self._clock = control.clock
        self._patience = patience_seconds
        self._unstored: dict[RealmId, _Unstored] = {}
        self._refusal: tuple[float, CredentialsRejected] | None = None

    def keeps(self, realm: RealmId) -> bool:
        """Whether this process has an answer for the stored tokens that is on no disk yet.

        It may be the only living grant, whatever another process found out meanwhile.
        """
        unstored = self._unstored.get(realm)
        return unstored is not None and unstored.replaces == self._control.tokens.version(realm)

    def stored(self, realm: RealmId) -> Tokens:
        """The tokens of a company that may be called.

        Raises:
            BadInputError: the company was never connected.
            ConfigurationError: it is a company of the other environment.
            ReauthorizationRequired: it is disconnected, its grant is dead, or none is stored.
            KeyUnavailable: the stored tokens do not open.
        """
        company = self._control.companies.require(realm)
        if company.status is not ConnectionStatus.CONNECTED:
            raise ReauthorizationRequired(
                company.last_error
                or "This company is disconnected. Connect it again with `ledgerguard connect`.",
                realm_id=realm,
            )
        tokens = self._control.tokens.load(realm)
        if tokens is None:
            raise ReauthorizationRequired(
                "No tokens are stored for this company. Connect it again with "
                "`ledgerguard connect`.",
                realm_id=realm,
            )
        _know(tokens)
        return tokens

    def refresh(self, realm: RealmId, tokens: Tokens, refresh_lease: RefreshLease) -> Tokens:
        """New tokens in place of these, which were read under this lease.

        Raises:
            ReauthorizationRequired: the grant is dead; the company's status says so.
            CredentialsRejected: Intuit refuses the app's id or secret; the grant is untouched.
            QuotaExhausted: the app's quota is used up; the grant is untouched.
            TokenEndpointUnavailable: no usable answer, or a request to wait; the grant is kept.
            ControlUnavailable: the store is down; an answer is kept in memory until it is not.
        """
        unstored = self._unstored.get(realm)
        if unstored is not None and unstored.replaces == tokens.version:
            return self._persist(realm, unstored, refresh_lease)
        self._respect_refusal(realm)
        self._respect_pause(realm, tokens)
        self._respect_quota(realm)
        noted = self._control.tokens.note_attempt(realm, tokens)
        try:
            fresh = self._ask(realm, tokens)
        except ReauthorizationRequired as error:
            return self._dead(realm, tokens, error, interrupted=noted.tries > 1)
        except (CredentialsRejected, QuotaExhausted, TokenEndpointThrottled):
            # The app's own keys or limits: no attempt on this grant took place.
            self._control.tokens.clear_attempt(realm)
            raise
        except TokenEndpointUnavailable as error:
            self._note_reason(realm, noted, error)
            raise
        return self._persist(realm, _Unstored(fresh, tokens.version), refresh_lease)

    def store_kept(self, realm: RealmId, refresh_lease: RefreshLease) -> Tokens:
        """The tokens of a company after the answer that ``keeps`` spoke of is on disk.

        Raises:
            ReauthorizationRequired: as ``stored``, where that answer is of no use any more.
            ControlUnavailable: the store is still down.
        """
        unstored = self._unstored.get(realm)
        if unstored is None or not self.keeps(realm):
            return self.stored(realm)
        return self._persist(realm, unstored, refresh_lease)

    def confirm(
        self, realm: RealmId, noted: RefreshAttempt, refresh_lease: RefreshLease, *, last: bool
    ) -> Tokens | None:
        """Ask again for a grant that Intuit refused (``noted``); None if it is dead.

        Intuit answers ``invalid_grant`` during some of its own outages as well. A grant it
        accepts now is connected again; one it refuses at the ``last`` question is never tried any more.

        Raises:
            CredentialsRejected, QuotaExhausted, TokenEndpointUnavailable, ControlUnavailable: as
                ``refresh``.
        """
        tokens = self._control.tokens.load(realm)
        if tokens is None or tokens.refresh_sha256 != noted.old_token_sha256:
            # Of a token that is gone nobody can ask, and the note would start a run every hour.
            self._control.tokens.clear_attempt(realm)
            return None
        self._respect_refusal(realm)
        self._respect_quota(realm)
        _know(tokens)
        noted = self._control.tokens.note_attempt(realm, tokens)
        try:
            fresh = self._ask(realm, tokens)
        except (TokenEndpointUnavailable, CredentialsRejected, QuotaExhausted) as error:
            self._note_reason(realm, noted, error)
            raise
        except ReauthorizationRequired:
            if last:
                self._control.tokens.clear_attempt(realm)
            else:
                self._control.tokens.note_reason(realm, noted, REFUSED_AGAIN)
            return None
        return self._persist(realm, _Unstored(fresh, tokens.version), refresh_lease)

    def _ask(self, realm: RealmId, tokens: Tokens) -> Tokens:
        try:
            grant = self._oauth.refresh(tokens.refresh_token)
        except TokenEndpointThrottled as error:
            meant = self._control.refusals.token_refusal(error, realm)
            _log.warning("token_endpoint_throttled", realm_id=realm, meant=type(meant).__name__)
            raise meant from error.__cause__
        except CredentialsRejected as error:
            self._refusal = (self._clock.monotonic() + REFUSED_SECONDS, error)
            raise
        crashpoint("after_token_response")
        with suppress(ControlUnavailable):
            self._control.refusals.tokens_given()
        fresh = tokens_of(grant, self._control.now(), previous=tokens)
        _know(fresh)
        return fresh

    def _persist(self, realm: RealmId, unstored: _Unstored, refresh_lease: RefreshLease) -> Tokens:
        """Put the grant on disk; nobody sees it before that."""
        self._unstored[realm] = unstored
        crashpoint("before_token_persist")
        waits = _STORING.within(self._patience, self._clock)
        while True:
            try:
                refresh_lease.keep()
                self._revive(realm)
                stored = self._control.tokens.replace(realm, unstored.tokens, unstored.replaces)
            except LostRace:
                self._unstored.pop(realm, None)
                return self.stored(realm)
            except ControlUnavailable as error:
                _log.error("token_not_stored", realm_id=realm, reason=error.message)
                if not waits.wait():
                    raise
            else:
                self._unstored.pop(realm, None)
                _log.info("token_refreshed", realm_id=realm, version=stored.version)
                return stored

    def _revive(self, realm: RealmId) -> None:
        """A grant Intuit just renewed is alive, whoever declared it dead meanwhile.

        Done before the grant is stored: after a crash in between the old token is asked about
        once more, while a stored grant of a paused company would wait for somebody to look.
        """
        company = self._control.companies.get(realm)
        if company is not None and company.status is ConnectionStatus.NEEDS_REAUTH:
            self._control.companies.set_status(realm, ConnectionStatus.CONNECTED)
            _log.warning("company_revived", realm_id=realm)
            crashpoint("after_company_revived")

    def _dead(
        self, realm: RealmId, tokens: Tokens, error: ReauthorizationRequired, *, interrupted: bool
    ) -> Tokens:
        latest = self._control.tokens.load(realm)
        if latest is not None and latest.version != tokens.version:
            return latest
        said = f"HTTP {error.status}, {error.fault_code}"
        why = (
            "An earlier refresh was cut off and Intuit no longer accepts the stored token "
            f"({said})."
            if interrupted
            else f"Intuit no longer accepts this company's grant ({said}): it was disconnected in "
            "QuickBooks, replaced or left unused too long."
        )
        advice = (
            f"{why} Connect it again with `ledgerguard connect` or on the company page; its rows "
            "stay."
        )
        # The note of the attempt stays: the keep-alive asks again, see ``confirm``.
        self._control.companies.set_status(realm, ConnectionStatus.NEEDS_REAUTH, advice)
        _log.error("reauthorization_required", realm_id=realm, interrupted=interrupted)
        raise ReauthorizationRequired(
            advice,
            realm_id=realm,
            fault_code=error.fault_code,
            intuit_tid=error.intuit_tid,
            status=error.status,
        ) from error

    def _respect_pause(self, realm: RealmId, tokens: Tokens) -> None:
        """After several tries without a usable answer, wait longer before each further one."""
        attempt = self._control.tokens.attempt(realm)
        if attempt is None or attempt.old_token_sha256 != tokens.refresh_sha256:
            return
        if attempt.tries < _FREE_TRIES:
            return
        pause = _ASKING.bound(attempt.tries - _FREE_TRIES)
        waited = (self._control.now() - attempt.started_at).total_seconds()
        if 0 <= waited < pause:
            last = "" if attempt.reason is None else f", last because {attempt.reason}"
            paused = TokenEndpointUnavailable(
                f"Refreshing this company's token failed {attempt.tries} times in a row{last}; the "
                f"next try is due in {math.ceil(pause - waited)} s. The grant is kept.",
                realm_id=realm,
            )
            paused.why = attempt.reason
            raise paused

    def _note_reason(self, realm: RealmId, noted: RefreshAttempt, error: LedgerGuardError) -> None:
        """For everybody else who is asked; the caller gets the error itself."""
        why = error.why if isinstance(error, TokenEndpointUnavailable) else None
        _log.warning("refresh_failed", realm_id=realm, tries=noted.tries, reason=why)
        with suppress(ControlUnavailable):
            self._control.tokens.note_reason(realm, noted, why or error.message)

    def _respect_quota(self, realm: RealmId) -> None:
        """While the app's quota is spent one call an hour asks; after any other 429, a minute is waited."""
        run = self._control.refusals.app()
        if run is None:
            return
        if run.resumes_at is None:
            waiting = still_waiting(run, realm, self._control.now())
            if waiting is not None:
                raise waiting
            return
        if self._control.now() < run.resumes_at or not self._control.refusals.probe(APP):
            raise exhausted(run, realm, app=True)

    def _respect_refusal(self, realm: RealmId) -> None:
        """What Intuit refuses for one company it refuses for all: the keys are the app's own."""
        if self._refusal is None or self._clock.monotonic() >= self._refusal[0]:
            return
        known = self._refusal[1]
        raise CredentialsRejected(
            known.message,
            realm_id=realm,
            fault_code=known.fault_code,
            intuit_tid=known.intuit_tid,
            status=known.status,
        )


def _know(tokens: Tokens) -> None:
    """Mask these tokens in whatever this process logs from now on."""
    register_secret(tokens.access_token.get_secret_value())
    register_secret(tokens.refresh_token.get_secret_value())
