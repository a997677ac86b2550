"""Answers query statements from the tables of one company.

Orders and selections are kept per table version, so that paging through a million rows costs
slices; conditions on times are found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from operator import attrgetter
from typing import Any

from ledgerguard_pipeline.sandbox.answers.refusals import invalid_query, lacking, too_many, unsorted
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.query.columns import Columns, Value, fields
from ledgerguard_pipeline.sandbox.query.conditions import (
    Test,
    folded,
    interval,
    test_of,
    wanted_ids,
)
from ledgerguard_pipeline.sandbox.query.grammar import Condition, SortKey, Statement
from ledgerguard_pipeline.sandbox.query.properties import PropertyKind, Queryable, queryable
from ledgerguard_pipeline.sandbox.query.sorted_views import Orders, Selection
from ledgerguard_pipeline.sandbox.silence import Surface
from ledgerguard_pipeline.sandbox.switches import Switches

MAX_ROWS = 1000
"""Rows of a page at most; asking for more silently gives this many."""

_TIME_FIELDS = {"MetaData.CreateTime": "created", "MetaData.LastUpdatedTime": "updated"}
_KEPT_SELECTIONS = 24
_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, or a count. ``total`` counts every row the conditions select."""

    entity: Queryable
    rows: Sequence[Row]
    total: int
    start: int
    count_only: bool = False


_TOTALLED = frozenset(
    {"Bill", "BillPayment", "Deposit", "Invoice", "JournalEntry", "PurchaseOrder"}
)
_NEVER_TOTALLED = frozenset(
    {
        "Account", "Customer", "Vendor", "Item", "CreditMemo", "Estimate", "Payment", "Purchase",
        "SalesReceipt", "Employee",
    }
)  # fmt: skip


def totalled(policy: str, found: Found) -> bool:
    """Whether a page of rows carries ``totalCount``, by the switch of that name."""
    if policy == "captured":
        if found.entity.name in _TOTALLED:
            return True
        policy = "never" if found.entity.name in _NEVER_TOTALLED else "single"
    single = found.start == 1 and len(found.rows) == found.total
    return policy == "always" or (policy == "single" and single)


class QueryEngine:
    """The query endpoint of one company. The caller holds the company's lock."""

    def __init__(self, tables: Mapping[str, EntityTable], switches: Switches) -> None:
        self._tables = tables
        self._switches = switches
        self._columns = Columns()
        self._orders = Orders(switches)
        self._kept: OrderedDict[tuple[object, ...], tuple[int, Selection]] = OrderedDict()

    def run(self, statement: Statement, now: float) -> Found:
        """Find the rows.

        Raises:
            Refusal: 4001, the statement names what this entity does not offer.
        """
        entity = queryable(statement.entity)
        table = None if entity is None else self._tables.get(entity.name)
        if entity is None or table is None:
            raise invalid_query(f"Metadata not found for Entity:{statement.entity}")
        self._check_offered(entity)
        for name in statement.fields:
            self._check_field(entity, table, name)
        self._check_order(entity, statement)
        order = tuple(
            SortKey(_property(entity, table, key.prop)[0], key.descending)
            for key in statement.order
        )
        if self._switches.tie_order == "alternating":
            self._orders.flipped = not self._orders.flipped
        selection = self._select(entity, table, statement.where, order, now)
        if self._switches.silence is not None:
            surface: Surface = "count" if statement.count else "query"
            hidden = self._switches.silence.hidden(table, surface)
            selection = Selection.of([row for row in selection.all() if row.id not in hidden])
        if self._switches.unseen:
            late = {id for name, id in self._switches.unseen if name == entity.name}
            selection = Selection.of([row for row in selection.all() if row.id not in late])
        if statement.count:
            return Found(entity, (), selection.total, 1, count_only=True)
        if entity.name == "Preferences":  # does not page
            return Found(entity, selection.all(), selection.total, 1)
        most = self._switches.page_limit
        if statement.limit > most.get(entity.name, most.get("*", statement.limit)):
            raise too_many(self._switches.page_limit_answer)
        limit = min(statement.limit, MAX_ROWS) + self._switches.extra_row
        rows = selection.page(statement.start - 1, limit)
        return Found(entity, rows, selection.total, statement.start)

    def changed(self, table: EntityTable, since: float) -> Selection:
        """Rows updated at or after that time, oldest change first."""
        rows, keys = self._orders.by_time(table, "updated")
        return Selection(rows, bisect_left(keys, ceil(since)), len(rows))

    def _check_offered(self, entity: Queryable) -> None:
        if entity.name in self._switches.no_query:
            raise invalid_query(f"Metadata not found for Entity:{entity.name}")
        if entity.name in self._switches.not_offered:
            raise lacking(entity.name)

    def _check_order(self, entity: Queryable, statement: Statement) -> None:
        answer = self._switches.unsortable_answer
        if len(statement.order) > 1 and not self._switches.two_sort_keys:
            raise unsorted(answer, "Only one property is supported in ORDERBY")
        for key in statement.order:
            for scope in ("*", entity.name):
                if any(
                    name == scope and prop.lower() == key.prop.lower()
                    for name, prop in self._switches.unsortable
                ):
                    raise unsorted(answer, f"property '{key.prop}' is not sortable")

    def _check_field(self, entity: Queryable, table: EntityTable, name: str) -> None:
        top = name.split(".", maxsplit=1)[0]
        if name.lower() not in entity.properties and not _carried(table, top):
            raise invalid_query(f"Property {name} not found for Entity {entity.name}")

    def _select(
        self,
        entity: Queryable,
        table: EntityTable,
        where: tuple[Condition, ...],
        order: tuple[SortKey, ...],
        now: float,
    ) -> Selection:
        today = any(None in condition.values for condition in where) and int(now)
        switches = self._switches
        ways = (
            switches.default_order,
            switches.id_order,
            switches.unclear_inactive,
            self._orders.flipped,
        )
        key = (entity.name, where, order, ways, today)
        kept = self._kept.pop(key, None)
        if kept is None or kept[0] != table.version:
            kept = (table.version, self._compute(entity, table, where, order, now))
        self._kept[key] = kept
        while len(self._kept) > _KEPT_SELECTIONS:
            self._kept.popitem(last=False)
        return kept[1]

    def _compute(
        self,
        entity: Queryable,
        table: EntityTable,
        where: tuple[Condition, ...],
        order: tuple[SortKey, ...],
        now: float,
    ) -> Selection:
        tests: list[Test] = []
        ids: frozenset[str] | None = None
        spans: dict[str, tuple[int, int]] = {}
        unclear = self._switches.unclear_inactive if entity.perhaps_hidden else ""
        names_active = not entity.soft_delete and unclear != "hidden"
        for condition in where:
            prop, kind = _property(entity, table, condition.prop)
            if prop == "Active" and unclear == "unnamed":
                raise invalid_query(f"property '{prop}' is not queryable")
            names_active = names_active or prop == "Active"
            if kind is PropertyKind.ID:
                wanted = wanted_ids(condition)
                ids = wanted if ids is None else ids & wanted
            elif kind is PropertyKind.TIME:
                low, high = interval(prop, condition, now)
                old = spans.get(prop, (low, high))
                spans[prop] = max(low, old[0]), min(high, old[1])
            else:
                read = self._columns.reader(table, prop, kind)
                tests.append(test_of(prop, kind, condition, read, now))
        if not names_active:
            tests.append(_is_active)
        return self._gather(entity, table, ids, spans, tests, order)

    def _gather(
        self,
        entity: Queryable,
        table: EntityTable,
        ids: frozenset[str] | None,
        spans: dict[str, tuple[int, int]],
        tests: list[Test],
        order: tuple[SortKey, ...],
    ) -> Selection:
        lead = order[0] if order else None
        ordered = False
        if ids is not None:
            found = Selection.of([table.rows[id] for id in ids if id in table.rows])
        elif lead and lead.prop in _TIME_FIELDS and not lead.descending and _ties_by_id(order):
            found = self._span(table, lead.prop, spans.pop(lead.prop, None))
            ordered = len(order) == 1 or not self._orders.flipped
        elif spans:
            found = self._span(table, *spans.popitem())
        elif lead is None:
            found = Selection.of(self._orders.by_default(entity, table))
            ordered = True
        else:
            found = Selection.of(self._orders.by_id(table))
            ordered = lead == SortKey("Id")
        for prop, span in spans.items():
            tests.append(_within(prop, span))
        if tests:
            found = Selection.of([row for row in found.all() if all(test(row) for test in tests)])
        return found if ordered else self._sorted(entity, table, found.all(), order)

    def _span(self, table: EntityTable, prop: str, span: tuple[int, int] | None) -> Selection:
        rows, keys = self._orders.by_time(table, _TIME_FIELDS[prop])
        if span is None:
            return Selection.of(rows)
        low = bisect_left(keys, span[0])
        return Selection(rows, low, max(low, bisect_left(keys, span[1])))

    def _sorted(
        self, entity: Queryable, table: EntityTable, rows: Sequence[Row], order: tuple[SortKey, ...]
    ) -> Selection:
        by_id = self._orders.id_key(rows)
        if not order:
            by_default = self._orders.defaulted(entity, table, sorted(rows, key=by_id))
            return Selection.of(by_default)
        result = sorted(rows, key=by_id, reverse=self._orders.flipped)
        for key in reversed(order):
            if key.prop == "Id":
                result.sort(key=by_id, reverse=key.descending)
                continue
            kind = entity.properties[key.prop.lower()][1]
            read = self._columns.reader(table, key.prop, kind)
            result.sort(key=_sorting_by(read), reverse=key.descending)
        return Selection.of(result)


def project(body: bytes, names: tuple[str, ...]) -> bytes:
    """A record cut down to these members, flagged sparse, number texts untouched."""
    members = {key.lower(): (key, raw) for key, raw in fields(body).items()}
    wanted = {name.split(".", maxsplit=1)[0].lower() for name in names} | {"domain", "id"}
    parts = [
        f'"{members[name][0]}":'.encode() + bytes(members[name][1])
        for name in members
        if name in wanted
    ]
    return b'{"sparse":true,' + b",".join(parts) + b"}"


def _property(entity: Queryable, table: EntityTable, name: str) -> tuple[str, PropertyKind]:
    known = entity.properties.get(name.lower())
    if known is not None:
        return known
    if _carried(table, name):
        raise invalid_query(f"property '{name}' is not queryable")
    raise invalid_query(f"Property {name} not found for Entity {entity.name}")


def _carried(table: EntityTable, name: str) -> bool:
    """True where records of this table have such a member (a sample is looked at)."""
    wanted = name.lower()
    return any(
        key.lower() == wanted
        for row, _ in zip(table.rows.values(), range(_SAMPLE), strict=False)
        for key in fields(table.body(row))
    )


def _is_active(row: Row) -> bool:
    return row.active


def _within(prop: str, span: tuple[int, int]) -> Test:
    moment = attrgetter(_TIME_FIELDS[prop])
    return lambda row: span[0] <= moment(row) < span[1]


def _ties_by_id(order: tuple[SortKey, ...]) -> bool:
    """The kept time orders break ties by ascending Id; anything else has to be sorted."""
    return all(key == SortKey("Id") for key in order[1:])


def _sorting_by(read: Callable[[Row], Value]) -> Callable[[Row], tuple[bool, Any]]:
    """Missing values come first; texts sort without regard to case."""

    def key(row: Row) -> tuple[bool, Any]:
        value = read(row)
        return (value is not None, "" if value is None else folded(value))

    return key
