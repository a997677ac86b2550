"""AgedReceivables and AgedPayables: what every customer owes and every vendor is owed, by age.

An open balance is what a document moved its receivable or payable account by, less what payments
up to the report's day took off it. The age counts from the due date.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, minus, plus, signed, times, total
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Column, Line, Report, Section
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
    sums = [NOTHING] * len(_BUCKETS)
    for id, buckets in open_.items():
        if not any(buckets) or (chosen and id not in chosen.split(",")):
            continue
        sums = [plus(*pair) for pair in zip(sums, buckets, strict=True)]
        # A row leaves a zero blank where the totals write it.
        cells = [view.money(each) if each else Cell() for each in (*buckets, total(buckets))]
        report.units.append([Line([Cell(view.names.get((entity, id), ""), id), *cells])])
    report.empty = not report.units
    cells = [Cell(view.words("TOTAL")), *map(view.money, (*sums, total(sums)))]
    report.units.append([Section(summary=cells, group="GrandTotal", fixed=True)])
    return report


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
