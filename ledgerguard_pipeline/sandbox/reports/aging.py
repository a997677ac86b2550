"""AgedReceivables and AgedPayables: what every customer owes and every vendor is owed, by age.

A customer with sub-customers is a section: its own balance in the header, theirs in rows below, the
sum of all in its summary (as captured from companies of 2026). An open balance is what a document moved its receivable or payable account by, less what payments
up to the report's day took off it. The age counts from the due date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, minus, plus, signed, times, total
from ledgerguard_pipeline.sandbox.reports.layout import (
    Cell,
    Column,
    Line,
    Report,
    Section,
    amount_text,
)
from ledgerguard_pipeline.sandbox.reports.request import Asked
from ledgerguard_pipeline.sandbox.reports.view import View, legs_of

_CENT = Decimal("0.01")
_BUCKETS = (("current", "Current"), ("1", "1 - 30"), ("2", "31 - 60"), ("3", "61 - 90"),
            ("4", "91 and over"))  # fmt: skip


_OWED = {"Customer": "Invoice", "Vendor": "Bill"}


def aged(view: View, asked: Asked) -> Report:
    """A row for each customer (or vendor) with an open balance, and the totals."""
    receivable = asked.name == "AgedReceivables"
    entity = "Customer" if receivable else "Vendor"
    columns = [
        Column("cust_name" if receivable else "vend_name", "", entity),
        *(Column(key, view.words(title), "Money") for key, title in _BUCKETS),
        Column("total", view.words("Total"), "Money"),
    ]
    report = Report(columns, [], keyed=False, options={"report_date": asked.end.isoformat()})
    open_ = _open_by_party(view, asked.end, entity, 1 if receivable else -1)
    chosen = asked["customer" if receivable else "vendor"]
    shown = {
        id: buckets
        for id, buckets in open_.items()
        if any(buckets) and (not chosen or id in chosen.split(","))
    }
    parents = {} if chosen else view.parents(entity)
    tree = _Tree(view, entity, shown, parents)
    report.units += [[tree.row(id)] for id in tree.below(None)]
    report.empty = not report.units
    sums = _added(shown.values())
    cells = [Cell(view.words("TOTAL")), *map(view.money, (*sums, total(sums)))]
    report.units.append([Section(summary=cells, group="GrandTotal", fixed=True)])
    return report


@dataclass(frozen=True, slots=True)
class _Tree:
    """Who has something open, and who stands above them."""

    view: View
    entity: str
    open: Mapping[str, list[Decimal]]
    parents: Mapping[str, str]

    def below(self, id: str | None) -> list[str]:
        """Those directly below one (None: on top) that have something open, or have somebody who has."""
        needed: dict[str, None] = {}
        for each in self.open:
            above: str | None = each
            while above is not None:
                needed[above] = None
                above = self.parents.get(above)
        return [each for each in needed if self.parents.get(each) == id]

    def row(self, id: str) -> Line | Section:
        """A row, or a section where somebody is below."""
        name = Cell(self.view.names.get((self.entity, id), ""), id)
        own = self.open.get(id, [NOTHING] * len(_BUCKETS))
        inner = self.below(id)
        # A row leaves a zero blank where the totals write it.
        cells = [self.view.money(each) if each else Cell() for each in own]
        whole = total(own)
        if not inner:
            return Line([name, *cells, self.view.money(whole) if whole else Cell()])
        sums = _added([own, *self._under(id)])
        title = Cell(self.view.words.total(name.value))
        return Section(
            [name, *cells, Cell(amount_text(whole, self.view.switches) or "0.00")],
            [self.row(each) for each in inner],
            [title, *map(self.view.money, (*sums, total(sums)))],
        )

    def _under(self, id: str) -> Iterator[list[Decimal]]:
        for each in self.below(id):
            yield self.open.get(each, [NOTHING] * len(_BUCKETS))
            yield from self._under(each)


def _added(several: Iterable[list[Decimal]]) -> list[Decimal]:
    sums = [NOTHING] * len(_BUCKETS)
    for buckets in several:
        sums = [plus(*pair) for pair in zip(sums, buckets, strict=True)]
    return sums


def _open_by_party(view: View, day: date, entity: str, sign: int) -> dict[str, list[Decimal]]:
    last = day.isoformat()
    shown = {(each.entity, each.id): each for each in view.transactions if each.date <= last}
    left: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: NOTHING)
    for key, each in shown.items():
        for leg in legs_of(each):
            if leg.party is not None and leg.party[0] == entity:
                left[(*key, leg.party[1])] = plus(left[(*key, leg.party[1])], leg.amount)
    for key, each in shown.items():
        for other_entity, other_id, amount in each.settles:
            other = shown.get((other_entity, other_id))
            if other is None or not other.legs or other_entity != _OWED[entity]:
                continue
            home = times(amount, other.rate)
            if other.rate != 1:
                home = home.quantize(_CENT, ROUND_HALF_UP)
            party = each.party[0]
            left[(other_entity, other_id, party)] = minus(
                left[(other_entity, other_id, party)], signed(home, sign)
            )
            left[(*key, party)] = plus(left[(*key, party)], signed(home, sign))
    found: dict[str, list[Decimal]] = {}
    for (kind, id, party), amount in left.items():
        if amount:
            buckets = found.setdefault(party, [NOTHING] * len(_BUCKETS))
            age = (day - date.fromisoformat(shown[kind, id].due)).days
            at = 0 if age <= 0 else min(1 + (age - 1) // 30, len(_BUCKETS) - 1)
            buckets[at] = plus(buckets[at], signed(amount, sign))
    return found
