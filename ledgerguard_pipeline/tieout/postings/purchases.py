"""Rules of bills, purchases, credits of vendors and payments of bills."""

from __future__ import annotations

from collections.abc import Iterator

from ledgerguard_pipeline.tieout.postings.legs import SURE, Account, Rule, by_role, of_company
from ledgerguard_pipeline.tieout.postings.sales import tax_rules
from ledgerguard_pipeline.tieout.postings.settlement import OF_VENDORS, settled

_VENDOR = ("'Vendor'", "head.vendor_id")
_PAYABLE = by_role("payable", "head.ap_account_id")
_SPENT = "coalesce(head.credit, false)"
FORMS: tuple[tuple[str, str], ...] = (("Bill", ""), ("VendorCredit", "-"), ("Purchase", ""))
_TABLE = {"Bill": "bill", "VendorCredit": "vendor_credit", "Purchase": "purchase"}


def purchase_rules() -> Iterator[Rule]:
    """Every leg of what is bought."""
    for entity, sign in FORMS:
        table = _TABLE[entity]
        if entity == "Purchase":
            # A card credit is a purchase the other way round.
            factor = f"CASE WHEN {_SPENT} THEN -1 ELSE 1 END * "
            against = f"CASE WHEN {_SPENT} THEN 1 ELSE -1 END * "
            account, party = Account("head.account_id"), ("head.entity_type", "head.entity_id")
        else:
            factor, against = sign, "" if sign else "-"
            account, party = _PAYABLE, _VENDOR
        yield Rule(
            entity, "header", account, f"{against}head.total_amt", f"{{{table}}} AS head",
            party=party,
        )  # fmt: skip
        yield _lines(entity, table, factor)
        yield from tax_rules(entity, table, factor, "purchase")
    yield from _bill_payments()


def _lines(entity: str, table: str, factor: str) -> Rule:
    """Counted goods go to the item's asset account, all else to an expense account."""
    lines = f"{table}_line"
    account = Account(
        "CASE WHEN line.account_id IS NOT NULL THEN line.account_id WHEN item.type = 'Inventory' "
        "THEN item.asset_account_id ELSE item.expense_account_id END",
        SURE,
        "LEFT JOIN {item} AS item ON item.realm_id = head.realm_id AND item.id = line.item_id",
    )
    return Rule(
        entity, "line", account, f"{factor}line.amount",
        f"{{{table}}} AS head {of_company(lines, 'id')}",
        where="line.detail_type IN ('AccountBasedExpenseLineDetail', 'ItemBasedExpenseLineDetail')",
        party=("CASE WHEN line.customer_id IS NOT NULL THEN 'Customer' END", "line.customer_id"),
        line_no="line.line_no", segment="line.class_id", item="line.item_id",
    )  # fmt: skip


def _bill_payments() -> Iterator[Rule]:
    source = Account(
        "CASE WHEN head.pay_type = 'CreditCard' THEN head.cc_account_id "
        "ELSE coalesce(head.bank_account_id, head.cc_account_id) END"
    )
    yield Rule("BillPayment", "header", source, "-head.total_amt", "{bill_payment} AS head")
    bills = (
        "(SELECT any_value(bill.ap_account_id) FROM {bill_payment_linked} AS link JOIN {bill} "
        "AS bill ON bill.realm_id = link.realm_id AND bill.id = link.txn_id "
        "WHERE link.txn_type = 'Bill' AND link.realm_id = head.realm_id AND link.id = head.id)"
    )
    payable = by_role("payable", f"coalesce(head.ap_account_id, {bills})")
    yield from settled(OF_VENDORS, payable)
