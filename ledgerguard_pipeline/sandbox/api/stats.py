"""What the sandbox was asked: counts per company and endpoint, window maxima, a request log."""

from __future__ import annotations

from collections import Counter, defaultdict, deque

import msgspec

from ledgerguard_pipeline.sandbox.api.limits import CallWindows

_LOG_LENGTH = 20_000


class Call(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request as it was answered; carries no tokens. ``status`` 0 means: cut off."""

    time: float
    tid: str
    method: str
    endpoint: str
    realm: str = ""
    target: str = ""
    """The statement, the CDC entities, the object read or the OAuth grant type."""
    status: int = 0
    rows: int = 0
    bytes: int = 0
    """Of the body as sent (compressed where it was)."""
    fault: str = ""


class Stats:
    """Counts calls as they arrive, refused ones too."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start counting from nothing; the log is emptied too."""
        self._calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._statuses: Counter[int] = Counter()
        self._windows: defaultdict[str, CallWindows] = defaultdict(CallWindows)
        self._metered: Counter[str] = Counter()
        self._rows = 0
        self._bytes = 0
        self._log: deque[Call] = deque(maxlen=_LOG_LENGTH)

    def arrived(self, realm: str, endpoint: str, at: float) -> None:
        """Count a call of the Accounting API; ``at`` in seconds of a monotonic clock."""
        self._calls[realm][endpoint] += 1
        self._windows[realm].add(at, batch=endpoint == "batch")

    def arrived_oauth(self, endpoint: str) -> None:
        self._calls[""][endpoint] += 1

    def metered(self, realm: str, calls: int) -> None:
        """Add what Intuit would bill as reads (every item of a batch counts)."""
        self._metered[realm] += calls

    def answered(self, call: Call) -> None:
        self._statuses[call.status] += 1
        self._rows += call.rows
        self._bytes += call.bytes
        self._log.append(call)

    def pop_log(self) -> list[Call]:
        """The calls since the last time, oldest first."""
        calls = list(self._log)
        self._log.clear()
        return calls

    def snapshot(self) -> dict[str, object]:
        """Everything counted, ready for JSON."""
        return {
            "calls": {realm: dict(counts) for realm, counts in self._calls.items() if realm},
            "oauth_calls": dict(self._calls.get("", {})),
            "metered": dict(self._metered),
            "statuses": {str(status): count for status, count in self._statuses.items()},
            "most": {realm: windows.most() for realm, windows in self._windows.items()},
            "rows": self._rows,
            "bytes": self._bytes,
        }
