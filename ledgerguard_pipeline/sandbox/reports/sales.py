"""What was sold in a window, by customer, item, location or class.

Intuit's reference calls these SalesByCustomer and so on; the service answers to the names below only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.json_text import Doc, load
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, plus, signed, times, total
from ledgerguard_pipeline.sandbox.books.postings import amount_of
from ledgerguard_pipeline.sandbox.books.valuation.stock import lines_inside
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Column, Line, Report, Section
from ledgerguard_pipeline.sandbox.reports.request import Asked
from ledgerguard_pipeline.sandbox.reports.view import View

_CENT = Decimal("0.01")
_FORMS = {"Invoice": 1, "SalesReceipt": 1, "CreditMemo": -1, "RefundReceipt": -1}
_BY = {
    "CustomerSales": ("CustomerRef", "Customer"),
    "ItemSales": ("ItemRef", "ProductsAndService"),
    "DepartmentSales": ("DepartmentRef", "Department"),
    "ClassSales": ("ClassRef", "Class"),
}
SALES = tuple(_BY)


def sales(view: View, asked: Asked) -> Report:
    """A row for each customer (or item, location, class) that sold, and the total."""
    member, kind = _BY[asked.name]
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for whom, amount in _sold(view, asked, member):
        sums[whom] = plus(sums[whom], amount)
    columns = [Column("name", "", kind), Column("total", view.words("Total"), "Money")]
    report = Report(columns, [], keyed=False)
    for (id, name), amount in sorted(sums.items()):
        first = Cell(name, id) if id else Cell(view.words("Not Specified"))
        report.units.append([Line([first, view.money(amount)])])
    report.empty = not report.units
    summary = [Cell(view.words("TOTAL")), view.money(total(sums.values()))]
    report.units.append([Section(summary=summary, group="GrandTotal", fixed=True)])
    return report


def _sold(view: View, asked: Asked, member: str) -> Iterator[tuple[tuple[str, str], Decimal]]:
    """Whom (id and name) each line of a sales form counts for, and its worth in home currency."""
    first, last = asked.start.isoformat(), asked.end.isoformat()
    for entity, sign in _FORMS.items():
        table = view.company.tables[entity]
        for row in table.rows.values():
            doc = load(table.body(row))
            if not first <= doc["TxnDate"] <= last:
                continue
            rate = Decimal(doc.get("ExchangeRate", "1"))
            for line in lines_inside(doc):
                detail = line.get("SalesItemLineDetail")
                if detail is None:
                    continue
                named: Doc = detail.get(member) or doc.get(member) or {}
                amount = amount_of(line, "Amount")
                if rate != 1:
                    amount = times(amount, rate).quantize(_CENT, ROUND_HALF_UP)
                yield (named.get("value", ""), named.get("name", "")), signed(amount, sign)


def account_list(view: View, asked: Asked) -> Report:
    """AccountList: every account of the chart with its type and what it stands at."""
    words = view.words
    columns = [
        Column("account_name", words("Account"), "Account"),
        Column("account_type", words("Type"), "account_type"),
        Column("detail_acc_type", words("Detail type"), "detail_acc_type"),
        Column("account_bal", words("Balance"), "Money"),
    ]
    report = Report(columns, [], keyed=True)
    balances = view.sums(None, asked.end)
    for id, account in view.accounts.items():
        amount = balances.get(id, NOTHING)
        shown = signed(amount, -1) if account.credit_side else amount
        cells = [view.account(id), Cell(account.kind), Cell(account.subtype), view.money(shown)]
        report.units.append([Line(cells)])
    report.empty = not report.units
    return report
