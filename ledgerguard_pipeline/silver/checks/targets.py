"""Which entity types a reference may lead to, by the stem of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ACCOUNTS = (
    "account",
    "adjust_account",
    "ap_account",
    "ar_account",
    "asset_account",
    "bank_account",
    "cash_back_account",
    "cc_account",
    "cogs_account",
    "credit_card_account",
    "deposit_to_account",
    "discount_account",
    "expense_account",
    "from_account",
    "income_account",
    "item_account",
    "mark_up_income_account",
    "payment_account",
    "to_account",
)
_TAX_CODES = ("default_tax_code", "purchase_tax_code", "sales_tax_code", "tax_code", "txn_tax_code")
TARGETS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_ACCOUNTS, "account"),
        **dict.fromkeys(_TAX_CODES, "tax_code"),
        "agency": "tax_agency",
        "class": "class",
        "customer": "customer",
        "customer_type": "customer_type",
        "department": "department",
        "employee": "employee",
        "group_item": "item",
        "invoice": "invoice",
        "item": "item",
        "payment_method": "payment_method",
        "pref_vendor": "vendor",
        "recur_data": "recurring_transaction",
        "sales_term": "term",
        "ship_to": "customer",
        "tax_rate": "tax_rate",
        "term": "term",
        "vendor": "vendor",
    }
)
"""Tables of Bronze, which also holds what was deleted or merged since. Currencies are codes, and
projects are no entity type of the API."""
OWN_TYPE = frozenset({"parent"})
"""References to an object of the same type."""
NO_ID = ("SHIPPING_ITEM_ID", "TAX", "NON")
"""Words that stand for an item or a tax code that no company has as an object."""
LINKED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("Check", "Expense", "CreditCardCredit", "Purchase"), "purchase"),
        **dict.fromkeys(("BillPaymentCheck", "BillPaymentCreditCard"), "bill_payment"),
        "Bill": "bill",
        "BillPayment": "bill_payment",
        "CreditMemo": "credit_memo",
        "Deposit": "deposit",
        "Estimate": "estimate",
        "Invoice": "invoice",
        "JournalEntry": "journal_entry",
        "Payment": "payment",
        "PurchaseOrder": "purchase_order",
        "RefundReceipt": "refund_receipt",
        "ReimburseCharge": "reimburse_charge",
        "SalesReceipt": "sales_receipt",
        "TimeActivity": "time_activity",
        "Transfer": "transfer",
        "VendorCredit": "vendor_credit",
    }
)
"""Tables by Intuit's names of linked transactions; of other names nothing is known."""
