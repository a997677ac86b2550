"""What guards every call besides the limits per minute: the month's budget and the quota.

The guard is both gate and recorder of a client, because the outcome of calls opens and closes it.
Near the end of the budget it spaces calls out. When Intuit goes on answering 429 after full pauses,
the month's quota is used up: then only one call an hour starts, to check whether that is still so,
since waiting at the gate would gain nothing. If the token endpoint says so, it holds for all
companies of the app, and they share the one call an hour.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from ledgerguard_pipeline.clock import Clock, wait_for_call
from ledgerguard_pipeline.control.rate_limits.call_ledger import CallLedger
from ledgerguard_pipeline.control.rate_limits.monthly_budget import CallBudget
from ledgerguard_pipeline.control.rate_limits.permits import Permit
from ledgerguard_pipeline.control.rate_limits.throttle_log import (
    APP,
    RefusalLog,
    Refusals,
    exhausted,
)
from ledgerguard_pipeline.errors import Throttled
from ledgerguard_pipeline.values import RealmId

_REREAD_SECONDS = 15.0


class Gate(Protocol):
    """The part of a limiter that is guarded."""

    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> AbstractContextManager[Permit]:
        """Wait until one call of the company may start."""
        ...

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for that long."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    run: Refusals | None
    at: float


class CallGuard:
    """Guards and counts the calls of all companies of one process. Thread-safe."""

    def __init__(
        self,
        limiter: Gate,
        ledger: CallLedger,
        budget: CallBudget,
        refusals: RefusalLog,
        clock: Clock,
    ) -> None:
        self._limiter = limiter
        self._ledger = ledger
        self._budget = budget
        self._refusals = refusals
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[RealmId, _Seen] = {}
        self._next_start = 0.0
        self._asking = threading.local()

    @contextmanager
    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> Iterator[Permit]:
        """Wait until one call of the company may start.

        Raises:
            QuotaExhausted: Intuit refuses the app's calls for the rest of the month.
            Throttled: the wait would end after ``deadline``; no call was counted.
            ControlUnavailable: the store cannot be used, so nothing may be called.
        """
        self._asking.for_app = self._check_quota(APP, realm)
        self._check_quota(realm, realm)
        self._space_out(realm, deadline)
        with self._limiter.permit(realm, batch=batch, deadline=deadline) as permit:
            yield permit

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for that long, and learn from the refusal.

        Raises:
            QuotaExhausted: this was one refusal too many to be a limit per minute.
        """
        if self._asks_for_app():
            run = self._refusals.note_app()
            self._remember(APP, run)
            if run.resumes_at is not None:
                raise exhausted(run, realm, app=True)
        run = self._refusals.note(realm)
        self._remember(realm, run)
        if run.resumes_at is not None:
            raise exhausted(run, realm, app=False)
        self._limiter.cool_down(realm, seconds)

    def record(
        self, realm: RealmId, *, entity: str, purpose: str, status: int, metered: int = 1
    ) -> None:
        """Count one attempt; one of which anything was answered ends a run of refusals."""
        self._ledger.record(realm, entity=entity, purpose=purpose, status=status, metered=metered)
        if not (200 <= status < 300 and metered):
            return
        if self._known(realm) is not None:
            self._refusals.clear(realm)
            self._remember(realm, None)
        if self._asks_for_app():
            self._refusals.clear(APP)
            self._remember(APP, None)

    def _check_quota(self, whose: RealmId, realm: RealmId) -> bool:
        """Whether the call about to start is the one that asks if a quota is still spent."""
        run = self._known(whose)
        if run is not None and run.resumes_at is not None:
            # Before a call is refused: another process may have learned just now that it is over.
            run = self._read(whose)
        if run is None or run.resumes_at is None:
            return False
        if self._clock.now() < run.resumes_at or not self._refusals.probe(whose):
            raise exhausted(run, realm, app=whose == APP)
        self._forget(whose)
        return True

    def _asks_for_app(self) -> bool:
        """Whether this thread's call is the one that asks for the whole app.

        Others' calls that were under way when the pause began say nothing about it.
        """
        return getattr(self._asking, "for_app", False)

    def _space_out(self, realm: RealmId, deadline: float | None) -> None:
        spacing = self._budget.use().spacing_seconds
        if spacing <= 0:
            return
        with self._lock:
            now = self._clock.monotonic()
            start = max(now, self._next_start)
            if deadline is not None and start > deadline:
                raise Throttled(
                    "No call could start in time: this month's call budget is nearly used up, so "
                    "calls are spaced out. Nothing was lost; the next sync resumes here.",
                    retry_after=start - now,
                    realm_id=realm,
                )
            self._next_start = start + spacing
        wait_for_call(self._clock, start - now)

    def _known(self, realm: RealmId) -> Refusals | None:
        """The company's run of refusals, read again every few seconds: others count as well."""
        seen = self._seen.get(realm)
        if seen is None or self._clock.monotonic() - seen.at >= _REREAD_SECONDS:
            return self._read(realm)
        return seen.run

    def _read(self, realm: RealmId) -> Refusals | None:
        run = self._refusals.read([realm]).get(realm)
        self._remember(realm, run)
        return run

    def _remember(self, realm: RealmId, run: Refusals | None) -> None:
        with self._lock:
            self._seen[realm] = _Seen(run, self._clock.monotonic())

    def _forget(self, realm: RealmId) -> None:
        with self._lock:
            self._seen.pop(realm, None)
