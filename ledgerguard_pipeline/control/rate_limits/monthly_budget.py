"""The monthly call budget: what is used of it and what that leaves to be done.

Intuit counts the reads of an app over all its companies, so the budget is one for the whole
installation. Near its end calls are spaced out so that the rest lasts; shortly before the end
work that can wait is skipped, and webhooks and incremental syncs go on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.control.rate_limits.call_ledger import CallLedger, next_month
from ledgerguard_pipeline.errors import CallBudgetSpent

SLOW_DOWN_AT = 0.80
"""From this share on calls are spaced out."""

STOP_AT = 0.95
"""From this share on optional work is left out."""

LONGEST_SPACING_SECONDS = 10.0
"""Spaced further apart, webhooks and incremental syncs would not keep up."""

_REREAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """Metered reads of all companies this month, of how many, as read ``at`` that time."""

    used: int
    limit: int
    at: datetime

    @property
    def share(self) -> float:
        """1.0 when everything is used."""
        return self.used / self.limit

    @property
    def slow(self) -> bool:
        """Whether calls are spaced out."""
        return self.share >= SLOW_DOWN_AT

    @property
    def spent(self) -> bool:
        """Whether optional work is left out."""
        return self.share >= STOP_AT

    @property
    def spacing_seconds(self) -> float:
        """How far apart calls of one process start, so that the rest lasts until month's end."""
        if not self.slow:
            return 0.0
        left = max(self.limit - self.used, 1)
        seconds = (next_month(self.at) - self.at).total_seconds()
        return min(seconds / left, LONGEST_SPACING_SECONDS)


class CallBudget:
    """The budget of one installation; thread-safe. Usage is read twice a minute."""

    def __init__(self, ledger: CallLedger, limit: int, clock: Clock) -> None:
        self._ledger = ledger
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._use = BudgetUse(0, limit, clock.now())

    def use(self) -> BudgetUse:
        """How much is used, at worst as of half a minute ago.

        Raises:
            ControlUnavailable: the ledger cannot be read.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= _REREAD_SECONDS:
                self._use = BudgetUse(
                    self._ledger.total_month_to_date(), self._limit, self._clock.now()
                )
                self._read_at = now
            return self._use

    def require(self, what: str) -> None:
        """Let optional work begin only while there is budget for it.

        Raises:
            CallBudgetSpent: the rest of the month's budget is kept for changes.
        """
        use = self.use()
        if use.spent:
            raise CallBudgetSpent(
                f"{what} is skipped: {use.used} of this month's {use.limit} metered calls are "
                "used, and the rest is kept for changes. It resumes next month, or when "
                "LEDGERGUARD_MONTHLY_CALL_BUDGET is raised."
            )
