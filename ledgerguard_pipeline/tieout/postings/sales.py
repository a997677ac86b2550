"""Rules of sales forms and payments of customers."""

from __future__ import annotations

from collections.abc import Iterator

from ledgerguard_pipeline.tieout.postings.legs import (
    GUESS,
    SURE,
    Account,
    Rule,
    by_role,
    learned,
    of_company,
)
from ledgerguard_pipeline.tieout.postings.settlement import OF_CUSTOMERS, settled

SHIPPING = "SHIPPING_ITEM_ID"
"""The word that stands where a sales line has no item but is for shipping."""
_SOLD = ("SalesItemLineDetail", "ReimburseLineDetail")
_CUSTOMER = ("'Customer'", "head.customer_id")
_RECEIVABLE = by_role("receivable", "head.ar_account_id")
_BANK = by_role("undeposited", "head.deposit_to_account_id", any_currency=True)
FORMS: tuple[tuple[str, str, Account, str], ...] = (
    ("Invoice", "invoice", _RECEIVABLE, ""),
    ("SalesReceipt", "sales_receipt", _BANK, ""),
    ("CreditMemo", "credit_memo", _RECEIVABLE, "-"),
    ("RefundReceipt", "refund_receipt", _BANK, "-"),
)
"""Sales forms: entity, table, the header's account, and the sign of its leg."""


def sales_rules() -> Iterator[Rule]:
    """Every leg of sales forms and payments."""
    for entity, table, account, sign in FORMS:
        against = "" if sign else "-"
        owed = _CUSTOMER if account is _RECEIVABLE else ("NULL", "NULL")
        yield Rule(
            entity, "header", account, f"{sign}head.total_amt", f"{{{table}}} AS head",
            party=owed,
        )  # fmt: skip
        yield from _lines(entity, table, sign, against)
        yield from _taxes(entity, table, against)
    yield from _deposits()
    yield from _payments()


def _lines(entity: str, table: str, sign: str, against: str) -> Iterator[Rule]:
    """Income by line; lines inside a bundle stand for the bundle, sub-totals repeat others."""
    lines = f"{table}_line"
    source = f"{{{table}}} AS head {of_company(lines, 'id')}"
    item = "LEFT JOIN {item} AS item ON item.realm_id = head.realm_id AND item.id = line.item_id"
    income = Account("coalesce(line.item_account_id, item.income_account_id)", SURE, item)
    listed = ", ".join(f"'{each}'" for each in _SOLD)
    sold = f"line.detail_type IN ({listed})"
    details = {"line_no": "line.line_no", "segment": "coalesce(line.class_id, head.class_id)"}
    yield Rule(
        entity, "line", income, f"{against}line.amount", source,
        where=f"{sold} AND line.item_id IS DISTINCT FROM '{SHIPPING}'",
        party=_CUSTOMER, item="line.item_id", **details,
    )  # fmt: skip
    shipping = learned(f"'{SHIPPING}'", "sales")
    named = Account(
        f"coalesce(line.item_account_id, {shipping.sql})", shipping.confidence, shipping.join
    )
    yield Rule(
        entity, "shipping", named, f"{against}line.amount", source,
        where=f"{sold} AND line.item_id = '{SHIPPING}'",
        party=_CUSTOMER, learned=f"'{SHIPPING}'", **details,
    )  # fmt: skip
    yield Rule(
        entity, "discount", by_role("discounts", "line.discount_account_id", any_currency=True),
        f"{sign}line.amount", source,
        where="line.detail_type = 'DiscountLineDetail'", party=_CUSTOMER, **details,
    )  # fmt: skip


def _taxes(entity: str, table: str, against: str) -> Iterator[Rule]:
    return tax_rules(entity, table, against, "sales")


def tax_rules(entity: str, table: str, sign: str, side: str) -> Iterator[Rule]:
    """A leg for each tax line; where there are none, one for the total."""
    taxes = f"{table}_tax_line"
    yield Rule(
        entity, "tax", learned("coalesce(line.tax_rate_id, '')", side), f"{sign}line.amount",
        f"{{{table}}} AS head {of_company(taxes, 'id')}",
        line_no="line.tax_line_no", learned="coalesce(line.tax_rate_id, '')",
    )  # fmt: skip
    yield Rule(
        entity, "tax", learned("''", side), f"{sign}head.total_tax", f"{{{table}}} AS head",
        learned="''",
        where=f"NOT EXISTS (SELECT 1 FROM {{{taxes}}} AS each "
        "WHERE each.realm_id = head.realm_id AND each.id = head.id)",
    )  # fmt: skip


def _deposits() -> Iterator[Rule]:
    """What was paid down on an invoice is money in hand. No source shows these legs."""
    source = "{invoice} AS head"
    yield Rule(
        "Invoice", "deposit", _RECEIVABLE, "-head.deposit", source,
        party=_CUSTOMER, confidence=GUESS,
    )  # fmt: skip
    yield Rule("Invoice", "deposit", _BANK, "head.deposit", source, confidence=GUESS)


def _payments() -> Iterator[Rule]:
    """Without an account the money waits in Undeposited Funds; importers disagree on that."""
    bank = Account(
        _BANK.sql,
        f"CASE WHEN head.deposit_to_account_id IS NULL THEN {GUESS} ELSE {SURE} END",
        _BANK.join,
    )
    yield Rule("Payment", "header", bank, "head.total_amt", "{payment} AS head")
    yield from settled(OF_CUSTOMERS, _RECEIVABLE)
