"""One call of the Accounting API from permit to parsed answer, with everything that may happen.

Order of an attempt: permit from the gate, token, request, whole body, permit back, parse. A body
that cannot be parsed is an attempt that failed, so nothing half-read ever leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import requests
import structlog

from ledgerguard_pipeline.clock import Clock, go_on
from ledgerguard_pipeline.errors import (
    AnswerTooBig,
    AnswerTooSlow,
    FeatureUnavailable,
    LedgerGuardError,
    NoQuery,
    NotFound,
    PoisonPage,
    QBOAPIError,
    ReauthorizationRequired,
    ServiceUnavailable,
    Throttled,
)
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.fault_rules import PROCESSING_ERROR, SYSTEM_FAILURE
from ledgerguard_pipeline.qbo.answers.faults import Where, renewable
from ledgerguard_pipeline.qbo.oauth.token_source import AccessToken, TokenSource
from ledgerguard_pipeline.qbo.queries.read_requests import PROBE, Read
from ledgerguard_pipeline.qbo.transport.gate import CallGate, CallRecorder
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import Transport
from ledgerguard_pipeline.qbo.transport.retry import Plan, RetryPolicy, retry_after_seconds
from ledgerguard_pipeline.qbo.transport.stats import CallStats
from ledgerguard_pipeline.values import RealmId

T = TypeVar("T")

Parse = Callable[[ApiAnswer], tuple[T, int]]
"""Reads an answer; returns the value and how many rows it held."""
Outcomes = Callable[[T], Sequence[object]]
"""What came of the parts of an answer: first of each one that Intuit meters, then of what is in them."""

_PERHAPS_A_RECORD = (SYSTEM_FAILURE, PROCESSING_ERROR)
"""Server errors that a record may cause; elsewhere they pass."""

_TOO_MANY_REQUESTS = 429
_REFUSALS = 4
"""Attempts of one call that a fresh token is refused before the company is paused; seconds apart."""

_log = structlog.get_logger("ledgerguard_pipeline.qbo")


@dataclass(slots=True)
class _Call:
    """What one call remembers from attempt to attempt."""

    read: Read
    plan: Plan
    refusals: int = 0
    """Attempts that ended in a refusal although the token was fresh."""
    system_failures: int = 0
    slow: int = 0

    def gives_up_on(self, _error: AnswerTooSlow) -> bool:
        """Whether to ask for less instead of asking again: a page at once, the rest once more."""
        self.slow += 1
        at_once = self.read.path == "/query" and not self.read.few
        return self.read.divisible and (at_once or self.slow > 1)


class ApiSession:
    """Makes calls for any company. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        hosts: Hosts,
        tokens: TokenSource,
        gate: CallGate,
        ledger: CallRecorder,
        clock: Clock,
        policy: RetryPolicy,
    ) -> None:
        self._transport = transport
        self._hosts = hosts
        self._tokens = tokens
        self._gate = gate
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self.stats = CallStats()

    def call(
        self, realm: RealmId, read: Read, parse: Parse[T], outcomes: Outcomes[T] = lambda _: ()
    ) -> T:
        """Make one read, repeated where that can help, and return what ``parse`` made of it.

        A limit that one of the ``outcomes`` hit rests the company like any 429.

        Raises:
            QBOAPIError: the API refused, or no good answer came within the limits.
            QBOAuthError: the company's grant is not usable.
            OutOfTime: the work this call is part of was stopped.
        """
        call = _Call(read, Plan(self._policy, self._clock))

        def once(token: AccessToken) -> T:
            return self._once(realm, token, call, parse, outcomes)

        return call.plan.run(lambda: self._attempt(realm, call, once))

    def cool_down(self, realm: RealmId, retry_after: float | None) -> None:
        """Rest a whole company, in every process that shares the gate; whoever waits may see why."""
        seconds = self._policy.cool_down_for(retry_after)
        _log.warning("calls_pause", realm=realm, seconds=seconds, reason="QuickBooks answered 429")
        self._gate.cool_down(realm, seconds)

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _attempt(self, realm: RealmId, call: _Call, once: Callable[[AccessToken], T]) -> T:
        token = self._tokens.current(realm)
        try:
            return once(token)
        except QBOAPIError as error:
            if not renewable(error):
                raise
            refused = error
        if call.refusals in (0, _REFUSALS - 1):
            # At first, and once more in the end: the fresh one may have been ended meanwhile.
            token = self._tokens.renew(realm, token)
            try:
                return once(token)
            except QBOAPIError as error:
                if not renewable(error):
                    raise
                refused = error
        if refused.fault_code not in (None, "3200", "3202"):
            raise refused
        raise self._refused(realm, token, call, refused) from refused

    def _refused(
        self, realm: RealmId, token: AccessToken, call: _Call, refused: QBOAPIError
    ) -> QBOAPIError | ReauthorizationRequired:
        """What a fresh token's refusal means: that it is asked again, or a pause if it lasts.

        Who was just given a token has a grant, so one such answer alone proves a gateway wrong.
        """
        call.refusals += 1
        where = {
            "realm_id": realm, "entity": call.read.entity, "fault_code": refused.fault_code,
            "intuit_tid": refused.intuit_tid,
        }  # fmt: skip
        if call.refusals < _REFUSALS:
            return ServiceUnavailable(
                "QuickBooks refuses a fresh access token for the moment.",
                **where,
                status=refused.status,
            )
        self._tokens.refused(realm, token)
        return ReauthorizationRequired(
            "QuickBooks refuses even a fresh access token: connect the company again with "
            "`ledgerguard connect`.",
            **where,
            status=refused.status,
        )

    def _once(
        self,
        realm: RealmId,
        token: AccessToken,
        call: _Call,
        parse: Parse[T],
        outcomes: Outcomes[T],
    ) -> T:
        """One permit, one request, one log line."""
        go_on()
        read = call.read
        call.plan.attempt += 1
        note = _Note(realm, read, call.plan.attempt)
        with self._gate.permit(realm, batch=read.batch, deadline=call.plan.deadline):
            started = self._clock.monotonic()
            try:
                response = self._send(realm, token, read, call.plan.deadline)
            except LedgerGuardError as error:
                _locate(error, realm, read)
                self._account(realm, read, 0, 0, self._clock.monotonic() - started)
                note.write(self._clock.monotonic() - started, error=error)
                if isinstance(error, AnswerTooSlow) and call.gives_up_on(error):
                    raise _too_slow(error) from error
                raise
        seconds = self._clock.monotonic() - started
        answer = self._answer(realm, read, response)
        size = len(answer.body)
        try:
            value, rows = parse(answer)
        except QBOAPIError as error:
            self._account(realm, read, answer.status, size, seconds, [error] * read.metered)
            note.write(seconds, answer=answer, error=error)
            raise self._reconsidered(realm, call, error) from error.__cause__
        except BaseException:
            self._account(realm, read, answer.status, size, seconds)
            raise
        parts = outcomes(value)
        self._account(realm, read, answer.status, size, seconds, parts)
        note.write(seconds, answer=answer, rows=rows)
        hit = next((each for each in parts if isinstance(each, Throttled)), None)
        if hit is not None:
            self.cool_down(realm, hit.retry_after)
        return value

    def _send(
        self, realm: RealmId, token: AccessToken, read: Read, deadline: float
    ) -> requests.Response:
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {token.value.get_secret_value()}",
        }
        if read.content_type is not None:
            headers["Content-Type"] = read.content_type
        return self._transport.exchange(
            read.method,
            self._hosts.company(realm) + read.path,
            headers=headers,
            params=read.params,
            data=read.body,
            deadline=deadline,
        )

    def _answer(self, realm: RealmId, read: Read, response: requests.Response) -> ApiAnswer:
        now = self._clock.now()
        headers = response.headers
        return ApiAnswer(
            response.status_code,
            response.content,
            Where(realm, read.entity, headers.get("intuit_tid")),
            now,
            headers.get("Date"),
            retry_after_seconds(headers.get("Retry-After"), now.timestamp()),
        )

    def _account(
        self,
        realm: RealmId,
        read: Read,
        status: int,
        size: int,
        seconds: float,
        outcomes: Sequence[object] = (),
    ) -> None:
        """Count the attempt as what it means: a limit inside HTTP 200 is a 429, and not metered."""
        metered = 0
        if 200 <= status < 300:
            over = sum(isinstance(each, Throttled) for each in outcomes[: read.metered])
            metered = read.metered - over
            status = status if metered else _TOO_MANY_REQUESTS
        self.stats.add(status=status, metered=metered, bytes=size, seconds=seconds)
        self._ledger.record(
            realm, entity=read.entity, purpose=read.purpose, status=status, metered=metered
        )

    def _reconsidered(self, realm: RealmId, call: _Call, error: QBOAPIError) -> QBOAPIError:
        """What an error means for the company, or in the light of the attempts before it."""
        if isinstance(error, Throttled):
            self.cool_down(realm, error.retry_after)
        if isinstance(error, AnswerTooSlow) and call.gives_up_on(error):
            return _too_slow(error)
        if isinstance(error, ServiceUnavailable) and error.fault_code in _PERHAPS_A_RECORD:
            call.system_failures += 1
            # Where no rows were asked for, none can be at fault: it is an outage.
            if call.read.ranged and call.system_failures > 1:
                return _poisoned(error)
        return error


def _poisoned(error: QBOAPIError) -> PoisonPage:
    poison = PoisonPage(
        "QuickBooks failed twice on the same rows: one record of them cannot be rendered. Read "
        "the range in smaller parts to find it.",
        realm_id=error.realm_id,
        entity=error.entity,
        fault_code=error.fault_code,
        intuit_tid=error.intuit_tid,
        status=error.status,
    )
    poison.said = error.said
    return poison


def _too_slow(error: AnswerTooSlow) -> AnswerTooBig:
    smaller = AnswerTooBig(
        "QuickBooks did not answer in time: so much at once may take it too long. Ask for it in "
        "smaller parts.",
        realm_id=error.realm_id,
        entity=error.entity,
        fault_code=error.fault_code,
        intuit_tid=error.intuit_tid,
        status=error.status,
    )
    smaller.said = error.said
    return smaller


@dataclass(frozen=True, slots=True)
class _Note:
    """The log line of one attempt; never a token, never a body."""

    realm: RealmId
    read: Read
    attempt: int

    def write(
        self,
        seconds: float,
        *,
        answer: ApiAnswer | None = None,
        rows: int = 0,
        error: LedgerGuardError | None = None,
    ) -> None:
        usual = error is None or self._answers(error)
        if usual and not structlog.is_configured():
            return  # a library in a program that set up no logging logs only what went wrong
        log = _log.info if usual else _log.warning
        log(
            "qbo_request",
            realm=self.realm,
            entity=self.read.entity,
            purpose=self.read.purpose,
            status=answer.status if answer else 0,
            duration_ms=round(seconds * 1000, 1),
            rows=rows,
            bytes=len(answer.body) if answer else 0,
            intuit_tid=answer.where.intuit_tid if answer else None,
            attempt=self.attempt,
            **(
                {}
                if error is None
                else {"error": type(error).__name__, "fault_code": error.fault_code}
            ),
        )

    def _answers(self, error: LedgerGuardError) -> bool:
        """Whether a refusal answers the question: an object is gone, a type is not served."""
        gone = isinstance(error, NotFound) and self.read.purpose != PROBE
        return gone or isinstance(error, NoQuery | FeatureUnavailable)


def _locate(error: LedgerGuardError, realm: RealmId, read: Read) -> None:
    error.realm_id = error.realm_id or realm
    error.entity = error.entity or read.entity
