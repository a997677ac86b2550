"""Records as they are read: iterated over page by page, or kept once somebody counts them.

Decision 45 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import overload

from ledgerguard_pipeline.values import Record


class Records(Sequence[Record]):
    """All records of one question, asked when it is needed.

    A loop over it reads page by page and keeps nothing, so memory stays flat; a second loop asks
    Intuit again. ``len``, an index, a slice or a test for emptiness reads as far as it has to
    and keeps what was read, and every loop from then on takes it from there. For one thread.
    """

    def __init__(self, read: Callable[[], Iterator[Record]]) -> None:
        self._read = read
        self._kept: list[Record] = []
        self._rest: Iterator[Record] | None = None

    def __iter__(self) -> Iterator[Record]:
        # Decided at the first step: ``list`` takes the length in between, which reads everything.
        yield from self._read() if self._rest is None else self._keeping()

    def __len__(self) -> int:
        self._keep(None)
        return len(self._kept)

    def __bool__(self) -> bool:
        self._keep(1)
        return bool(self._kept)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        self._keep(_reach(index))
        return self._kept[index]

    def __repr__(self) -> str:
        known = "not read yet" if self._rest is None else f"{len(self._kept)} read so far"
        return f"<Records: {known}>"

    def _keeping(self) -> Iterator[Record]:
        at = 0
        while True:
            self._keep(at + 1)
            if at >= len(self._kept):
                return
            yield self._kept[at]
            at += 1

    def _keep(self, count: int | None) -> None:
        """Read on until so many are kept, or all."""
        if self._rest is None:
            self._rest = self._read()
        try:
            missing = None if count is None else max(count - len(self._kept), 0)
            self._kept.extend(islice(self._rest, missing))
        except BaseException:
            # A generator that raised is spent: the next attempt begins anew and misses nothing.
            self._kept, self._rest = [], None
            raise


def _reach(index: int | slice) -> int | None:
    """How many records must be read to serve an index or a slice; None means all."""
    if isinstance(index, slice):
        ends = (index.start or 0, -1 if index.stop is None else index.stop)
        return None if min(ends) < 0 or (index.step or 1) < 0 else max(ends)
    return None if index < 0 else index + 1
