"""Sorted views of tables, kept until the table changes.

Without ORDERBY QuickBooks answers transactions by LastUpdatedTime, newest first, and lists by
name in byte order (captured 2019 to 2026).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.query.columns import fields
from ledgerguard_pipeline.sandbox.query.properties import Queryable
from ledgerguard_pipeline.sandbox.switches import Switches

_NAMES = ("FullyQualifiedName", "DisplayName", "Name", "FileName")
"""What a list is sorted by: the first of these that its objects have."""


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
    """The orders of one company's tables: by Id, and by either time with ties by Id."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._kept: dict[tuple[str, str], tuple[int, Sequence[Row], array[int]]] = {}
        self.flipped = False
        """True while ties come in descending Id order."""

    def by_default(self, entity: Queryable, table: EntityTable) -> Sequence[Row]:
        """The order of a query that asks for none."""
        if self._switches.default_order == "id":
            return self.by_id(table)

        def arrange(_: list[Row]) -> tuple[Sequence[Row], array[int]]:
            return self.defaulted(entity, table, self.by_id(table)), array("q")

        return self._keep(table, f"default {self._switches.id_order} {self.flipped}", arrange)[0]

    def defaulted(self, entity: Queryable, table: EntityTable, rows: Sequence[Row]) -> list[Row]:
        """Rows that come by Id in the order of a query that asks for none."""
        if self._switches.default_order == "id":
            return list(rows)
        tied = list(reversed(rows)) if self.flipped else list(rows)
        if entity.transaction:
            return sorted(tied, key=attrgetter("updated"), reverse=True)
        return sorted(tied, key=lambda row: _name(table.body(row)))

    def by_id(self, table: EntityTable) -> Sequence[Row]:
        """Ascending Id."""
        order = self._switches.id_order
        return self._keep(
            table, f"id {order}", lambda rows: (sorted(rows, key=self.id_key(rows)), array("q"))
        )[0]

    def by_time(self, table: EntityTable, attribute: str) -> tuple[Sequence[Row], array[int]]:
        """Rows by ``created`` or ``updated``, and those times for bisection."""

        def arrange(_: list[Row]) -> tuple[Sequence[Row], array[int]]:
            rows = list(self.by_id(table))
            if self.flipped:
                rows.reverse()
            moment = attrgetter(attribute)
            rows.sort(key=moment)
            return rows, array("q", map(moment, rows))

        return self._keep(table, f"{attribute} {self._switches.id_order} {self.flipped}", arrange)

    def id_key(self, rows: Sequence[Row]) -> Callable[[Row], int | str]:
        """What rows sort by when they sort by Id."""
        if self._switches.id_order == "numeric" and all(row.id.isdigit() for row in rows):
            return lambda row: int(row.id)
        return lambda row: row.id

    def _keep(
        self,
        table: EntityTable,
        name: str,
        arrange: Callable[[list[Row]], tuple[Sequence[Row], array[int]]],
    ) -> tuple[Sequence[Row], array[int]]:
        key = (table.entity, name)
        kept = self._kept.get(key)
        if kept is None or kept[0] != table.version:
            kept = (table.version, *arrange(list(table.rows.values())))
            self._kept[key] = kept
        return kept[1], kept[2]


def _name(body: bytes) -> bytes:
    """The bytes a list sorts by; empty for objects without a name."""
    members = fields(body)
    for name in _NAMES:
        if name in members:
            text = msgspec.json.decode(members[name])
            return text.encode() if isinstance(text, str) else b""
    return b""
