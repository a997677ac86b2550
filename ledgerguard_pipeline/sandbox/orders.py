"""Sorted views of shelves, kept until the shelf changes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from ledgerguard_pipeline.sandbox.shelf import Row, Shelf
from ledgerguard_pipeline.sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Selection:
    """A run of rows within a sorted list; cutting a page out of it copies only the page."""

    rows: Sequence[Row]
    low: int
    high: int

    @staticmethod
    def of(rows: Sequence[Row]) -> Selection:
        return Selection(rows, 0, len(rows))

    @property
    def total(self) -> int:
        return self.high - self.low

    def page(self, start: int, limit: int) -> Sequence[Row]:
        """Up to ``limit`` rows from position ``start`` (from 0)."""
        first = self.low + start
        return self.rows[first : max(first, min(first + limit, self.high))]

    def all(self) -> Sequence[Row]:
        return self.rows[self.low : self.high]


class Orders:
    """The orders of one company's shelves: by Id, and by either time with ties by Id."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._kept: dict[tuple[str, str], tuple[int, Sequence[Row], array[int]]] = {}
        self.flipped = False
        """True while ties come in descending Id order."""

    def by_id(self, shelf: Shelf) -> Sequence[Row]:
        """Ascending Id: Intuit's default order."""
        order = self._switches.id_order
        return self._keep(
            shelf, f"id {order}", lambda rows: (sorted(rows, key=self.id_key(rows)), array("q"))
        )[0]

    def by_time(self, shelf: Shelf, attribute: str) -> tuple[Sequence[Row], array[int]]:
        """Rows by ``created`` or ``updated``, and those times for bisection."""

        def arrange(_: list[Row]) -> tuple[Sequence[Row], array[int]]:
            rows = list(self.by_id(shelf))
            if self.flipped:
                rows.reverse()
            moment = attrgetter(attribute)
            rows.sort(key=moment)
            return rows, array("q", map(moment, rows))

        return self._keep(shelf, f"{attribute} {self._switches.id_order} {self.flipped}", arrange)

    def id_key(self, rows: Sequence[Row]) -> Callable[[Row], int | str]:
        """What rows sort by when they sort by Id."""
        if self._switches.id_order == "numeric" and all(row.id.isdigit() for row in rows):
            return lambda row: int(row.id)
        return lambda row: row.id

    def _keep(
        self,
        shelf: Shelf,
        name: str,
        arrange: Callable[[list[Row]], tuple[Sequence[Row], array[int]]],
    ) -> tuple[Sequence[Row], array[int]]:
        key = (shelf.entity, name)
        kept = self._kept.get(key)
        if kept is None or kept[0] != shelf.version:
            kept = (shelf.version, *arrange(list(shelf.rows.values())))
            self._kept[key] = kept
        return kept[1], kept[2]
