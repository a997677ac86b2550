"""What happened in a soak, in order: actions, edits of the books, and calls the sandbox answered."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; ``about`` are the objects concerned, as ``realm/Entity/id``."""

    at: float
    kind: str
    text: str
    about: frozenset[str] = frozenset()


class Journal:
    """Thread-safe. ``loud`` writes actions to stderr as they happen; ``now`` is in epoch seconds."""

    def __init__(self, *, loud: bool = True, now: Callable[[], float] = time.time) -> None:
        self.began = now()
        self._now = now
        self._loud = loud
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def note(
        self, kind: str, text: str, about: frozenset[str] = frozenset(), at: float | None = None
    ) -> None:
        entry = Entry(self._now() if at is None else at, kind, text, about)
        with self._lock:
            self._entries.append(entry)
            if self._loud and kind in ("action", "problem", "phase"):
                sys.stderr.write(f"{entry.at - self.began:7.1f} s  {text}\n")

    def entries(self, *kinds: str) -> list[Entry]:
        """In the order of time."""
        with self._lock:
            chosen = [each for each in self._entries if not kinds or each.kind in kinds]
        return sorted(chosen, key=lambda entry: entry.at)

    def about(self, realm: str, entity: str, id: str) -> list[Entry]:
        """All that may have to do with one object."""
        name = f"{realm}/{entity}/{id}"
        return [
            entry
            for entry in self.entries()
            if name in entry.about or f"{realm}/{entity}" in entry.about
        ]

    def line(self, entry: Entry) -> str:
        return f"{entry.at - self.began:8.2f} s  {entry.kind:<8} {entry.text}"
