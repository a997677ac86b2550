"""Ready-made bodies of invoice lines, so that a million invoices cost a template each.

A pattern is five lines with fixed goods; the amount of the fifth varies from invoice to invoice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.sandbox.books.bookkeeper import Desk, Ref
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, dump, money
from ledgerguard_pipeline.sandbox.seed.names import WORK

PATTERNS = 331
_MARKER = "77777777777"
_ODD_UNIT_PRICES = ("0.30000000000000004", "1E+2", "100.10", "33.333333333333336", "-0.0")


@dataclass(frozen=True, slots=True)
class Pattern:
    """The lines of an invoice as text around the varying amount, and what they add up to.

    The amount of the fifth line stands between ``before`` and ``between`` and, as its unit
    price, between ``between`` and ``after``. ``fixed`` is cents by income account of the other
    four, ``last`` the fifth line's income account, ``voided`` all lines after a void.
    """

    before: str
    between: str
    after: str
    fixed: dict[str, int]
    last: str
    cents: int
    taxable: bool
    voided: str


def make_patterns(desk: Desk) -> list[Pattern]:
    """The patterns of a company, the same for the same items and seed."""
    return [_pattern(desk, index) for index in range(PATTERNS)]


def _pattern(desk: Desk, index: int) -> Pattern:
    taxable = index % 3 != 0
    items = desk.company.chart.items
    fixed: dict[str, int] = {}
    lines: list[Doc] = []
    last = ""
    for number in range(1, 6):
        item = desk.services[(index * 5 + number * 7) % len(desk.services)]
        last = items[item["value"]].income
        cents = desk.cents(1_000, 90_000)
        qty = 1 + (index + number) % 3
        amount, price = money(cents * qty), money(cents)
        if number == 5:
            amount, price, qty = Num(_MARKER), Num(_MARKER), 1
        else:
            fixed[last] = fixed.get(last, 0) + cents * qty
        if number == 1 and index % 11 == 0:
            price = Num(_ODD_UNIT_PRICES[index // 11 % len(_ODD_UNIT_PRICES)])
        words = WORK[(index + number) % len(WORK)]
        line = _line(number, words, item, qty, price, amount, taxable=taxable)
        line["SalesItemLineDetail"]["ItemAccountRef"] = {"value": last}
        lines.append(line | {"CustomExtensions": []})
    before, between, after = _text(lines).split(_MARKER)
    voided = _text([_void(line) for line in lines])
    return Pattern(before, between, after, fixed, last, sum(fixed.values()), taxable, voided)


def _line(
    number: int, words: str, item: Ref, qty: int, price: Num, amount: Num, *, taxable: bool
) -> Doc:
    return {
        "Id": str(number),
        **({"Description": words} if number in (1, 5) else {}),
        "Amount": amount,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {
            "ItemRef": {"value": item["value"]},
            "UnitPrice": price,
            "Qty": qty,
            "TaxCodeRef": {"value": "TAX" if taxable else "NON"},
        },
    }


def _void(line: Doc) -> Doc:
    detail = {
        key: value for key, value in line["SalesItemLineDetail"].items() if key != "UnitPrice"
    }
    return line | {"Amount": ZERO, "SalesItemLineDetail": detail | {"Qty": ZERO}}


def _text(lines: list[Doc]) -> str:
    """Lines as they stand inside the brackets of ``Line``."""
    return dump({"Line": lines}).decode().removeprefix('{"Line":[').removesuffix("]}")
