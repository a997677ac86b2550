"""How many rows of one type a company hands out in one answer, found out and remembered.

1000 is documented, but answers of large objects take too long or grow too big before that: the
gateway cuts them off (504), Intuit says so (10100) or fails without saying (10000). Then fewer
rows are asked for: half, until an answer comes, and from there in a few steps towards the most
that still works. That number holds for a day; then twice as much is tried once.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from ledgerguard_pipeline.capabilities import Capabilities, Capability
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS

CLOSE_ENOUGH = 8
"""A size within an eighth of one that failed is not worth another failing call."""


class _Known(NamedTuple):
    rows: int
    good: int
    settled: bool


class PageSize:
    """The rows to ask for at once. Thread-safe.

    ``settled`` means that nothing is being found out just now: pages may be fetched ahead.
    """

    def __init__(
        self, entity: str, capabilities: Capabilities | None = None, *, most: int = MAX_ROWS
    ) -> None:
        self._entity = entity
        self._capabilities = capabilities
        self._most = most
        self._lock = threading.Lock()
        self._bad: int | None = None
        self._before: _Known | None = None
        seen = capabilities and capabilities.seen(entity, Capability.PAGE_ROWS)
        known = int(seen.value) if seen and seen.value.isdecimal() else 0
        self._again = bool(capabilities and seen and capabilities.is_old(seen))
        self._noted = known or None
        if not 0 < known < most:
            self._set(_Known(most, 0, settled=False))
        elif self._again:
            self._set(_Known(min(most, 2 * known), known, settled=False))
        else:
            self._set(_Known(known, known, settled=True))

    def _set(self, known: _Known) -> None:
        self._rows, self._good, self._settled = known

    @property
    def rows(self) -> int:
        """The rows to ask for."""
        return self._rows

    @property
    def settled(self) -> bool:
        """Whether the size was seen to work and is not about to change."""
        return self._settled

    def fitted(self, asked: int, rows: int) -> None:
        """So many rows were asked for and came; fewer than asked prove nothing."""
        with self._lock:
            if rows < asked or self._settled:
                return
            self._good = max(self._good, asked)
            self._before = None  # what is found out from here on starts from this
            if self._good >= self._most:
                self._rows, self._settled = self._most, True
                self._remember(None)
            elif self._bad is None:
                self._rows = min(self._most, 2 * self._good)
            else:
                self._settle()

    def refused(self, asked: int) -> int:
        """So many rows were too many; returns how many to ask for instead."""
        with self._lock:
            if self._before is None:
                self._before = _Known(self._rows, self._good, self._settled)
            self._bad = asked if self._bad is None else min(asked, self._bad)
            if self._good >= self._bad:
                self._good = 0  # what worked for other rows does not for these
            if self._good == 0:
                self._rows, self._settled = max(self._bad // 2, 1), False
            elif self._again:
                self._rows, self._settled = self._good, True
                self._remember(self._good)
            else:
                self._rows, self._settled = self._good, False
            return min(self._rows, max(asked // 2, 1))

    def forgive(self) -> None:
        """It was not the size: one record was the reason. What was known before holds again."""
        with self._lock:
            if self._before is not None:
                self._set(self._before)
                self._remember(self._before.good or None)
                self._before = self._bad = None

    def _settle(self) -> None:
        """Take what worked, or try between that and what failed."""
        bad = self._bad or self._most
        self._remember(self._good)
        if bad - self._good > max(bad // CLOSE_ENOUGH, 1):
            self._rows = (self._good + bad) // 2
        else:
            self._rows, self._settled = self._good, True

    def _remember(self, rows: int | None) -> None:
        rows = rows if rows is not None and rows < self._most else None
        if self._capabilities is None or (rows == self._noted and not self._again):
            return
        self._noted = rows
        if rows is None:
            self._capabilities.drop(self._entity, Capability.PAGE_ROWS)
        else:
            self._capabilities.note(self._entity, Capability.PAGE_ROWS, str(rows))
