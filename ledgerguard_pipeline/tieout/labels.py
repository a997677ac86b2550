"""Which entity of the API a type of transaction stands for, by Intuit's English labels.

Labels are in the language of the company's reports. An unknown one has no entity; nothing else
depends on it, because a transaction is known by its label and its id.
"""

from __future__ import annotations

ENTITY_OF: dict[str, str] = {
    "Invoice": "Invoice",
    "Payment": "Payment",
    "Credit Memo": "CreditMemo",
    "Adjustment Note": "CreditMemo",
    "Sales Receipt": "SalesReceipt",
    "Refund": "RefundReceipt",
    "Refund Receipt": "RefundReceipt",
    "Credit Refund": "RefundReceipt",
    "Bill": "Bill",
    "Bill Payment (Check)": "BillPayment",
    "Bill Payment (Cheque)": "BillPayment",
    "Bill Payment (Credit Card)": "BillPayment",
    "Vendor Credit": "VendorCredit",
    "Supplier Credit": "VendorCredit",
    "Expense": "Purchase",
    "Cash Expense": "Purchase",
    "Cash Purchase": "Purchase",
    "Check": "Purchase",
    "Cheque": "Purchase",
    "Cheque Expense": "Purchase",
    "Credit Card Expense": "Purchase",
    "Credit Card Charge": "Purchase",
    "Credit Card Credit": "Purchase",
    "Deposit": "Deposit",
    "Transfer": "Transfer",
    "Journal Entry": "JournalEntry",
    "Credit Card Payment": "CreditCardPayment",
    "Inventory Qty Adjust": "InventoryAdjustment",
}
