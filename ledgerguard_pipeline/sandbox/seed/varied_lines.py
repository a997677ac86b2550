"""Lines and forms of the varied documents."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.bookkeeper import Desk, Ref
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text

EUR: Doc = {"value": "EUR", "name": "Euro"}


def form(desk: Desk, index: int, at: int, prefix: str, buyer: Ref, lines: list[Doc]) -> Doc:
    """A sales form without its amounts."""
    return {
        "DocNumber": f"{prefix}{1_000 + index}",
        "TxnDate": day_text(at),
        "DueDate": day_text(at, 30),
        "CurrencyRef": {"value": "USD"},
        "DepartmentRef": desk.departments[index % 4],
        "LinkedTxn": [],
        "Line": lines,
        "CustomerRef": buyer,
        "ApplyTaxAfterDiscount": True,
        "PrintStatus": "NotSet",
        "EmailStatus": "NotSet",
    }


def sold(
    desk: Desk, index: int, count: int, *, items: Sequence[Ref] = (), units: int = 2
) -> tuple[list[Doc], int]:
    """Sales lines of services (or of these items) and what they add up to, in cents."""
    chosen = items or [desk.services[(index * 5 + n) % len(desk.services)] for n in range(count)]
    lines = []
    for number, item in enumerate(chosen, 1):
        cents = 2_000 + (index * 313 + number * 97) % 9_000
        lines.append(_sold(str(number), item, units, cents))
    return lines, sum(int(line["Amount"].replace(".", "")) for line in lines)


def _sold(id: str, item: Ref, units: int, cents: int) -> Doc:
    return {
        "Id": id,
        "Amount": money(cents * units),
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {
            "ItemRef": item,
            "UnitPrice": money(cents),
            "Qty": units,
            "TaxCodeRef": {"value": "TAX"},
        },
    }


def bundle(desk: Desk, index: int) -> tuple[Doc, int]:
    """A bundle of two services; its own amount repeats theirs."""
    inner, cents = sold(desk, index + 20, 2)
    group = next(
        row.id
        for row in desk.company.tables["Item"].rows.values()
        if row.body is not None and b'"Type":"Group"' in row.body
    )
    return {
        "Id": "9",
        "Amount": money(cents),
        "DetailType": "GroupLineDetail",
        "GroupLineDetail": {"GroupItemRef": {"value": group}, "Quantity": 1, "Line": inner},
    }, cents


def subtotal(cents: int) -> Doc:
    return {"Amount": money(cents), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}


def discount(desk: Desk, cents: int) -> Doc:
    return {
        "Amount": money(cents),
        "DetailType": "DiscountLineDetail",
        "DiscountLineDetail": {
            "PercentBased": False,
            "DiscountAccountRef": desk.accounts["discounts"],
        },
    }


def taxed(cents: int, rates: Sequence[tuple[str, str]]) -> tuple[Doc, int]:
    """The taxes of these rates (id and percent) on an amount, and their sum in cents."""
    lines: list[Doc] = []
    whole = 0
    for id, percent in rates:
        exact = Decimal(cents) * Decimal(percent) / 100
        tax = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        whole += tax
        lines.append(
            {
                "Amount": money(tax),
                "DetailType": "TaxLineDetail",
                "TaxLineDetail": {
                    "TaxRateRef": {"value": id},
                    "PercentBased": True,
                    "TaxPercent": Num(percent),
                    "NetAmountTaxable": money(cents),
                },
            }
        )
    return {"TotalTax": money(whole) if whole else ZERO, "TaxLine": lines}, whole


def bought(items: Sequence[Ref], *, units: int, cents: int) -> tuple[list[Doc], int]:
    """Lines that put counted goods into stock; ``cents`` for each unit."""
    lines: list[Doc] = [
        {
            "Id": str(number),
            "Amount": money(units * (cents + number)),
            "DetailType": "ItemBasedExpenseLineDetail",
            "ItemBasedExpenseLineDetail": {
                "BillableStatus": "NotBillable",
                "ItemRef": item,
                "UnitPrice": money(cents + number),
                "Qty": units,
                "TaxCodeRef": {"value": "TAX"},
            },
        }
        for number, item in enumerate(items, 1)
    ]
    return lines, sum(units * (cents + number) for number in range(1, len(items) + 1))


def expense(desk: Desk, index: int) -> tuple[list[Doc], int]:
    """One line on an expense account."""
    cents = 7_001 + index * 333
    line: Doc = {
        "Id": "1",
        "Amount": money(cents),
        "DetailType": "AccountBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail": {
            "AccountRef": desk.expenses[index % len(desk.expenses)],
            "BillableStatus": "NotBillable",
            "TaxCodeRef": {"value": "NON"},
        },
    }
    return [line], cents
