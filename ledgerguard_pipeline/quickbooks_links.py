"""Addresses in QuickBooks itself, which show a document, a party or a list to whoever signs in.

The form is that of the links Intuit's API gives for invoices: the company first, then the page, so that
a person with several companies does not see a document of another one.
"""

from __future__ import annotations

from urllib.parse import quote

from ledgerguard_pipeline.values import Environment

_HOSTS = {
    Environment.PRODUCTION: "https://qbo.intuit.com",
    Environment.SANDBOX: "https://sandbox.qbo.intuit.com",
}
_DOCUMENTS = {
    "Invoice": "invoice",
    "Payment": "recvpayment",
    "CreditMemo": "creditmemo",
    "SalesReceipt": "salesreceipt",
    "RefundReceipt": "refundreceipt",
    "Bill": "bill",
    "BillPayment": "billpayment",
    "VendorCredit": "vendorcredit",
    "Purchase": "expense",
    "Deposit": "deposit",
    "Transfer": "transfer",
    "JournalEntry": "journal",
}
_PARTIES = {"Customer": "customerdetail", "Vendor": "vendordetail"}
_LISTS = {
    "Account": "chartofaccounts",
    "Bill": "expenses",
    "BillPayment": "expenses",
    "Customer": "customers",
    "Employee": "employees",
    "Estimate": "estimates",
    "Invoice": "invoices",
    "Item": "items",
    "Payment": "sales",
    "Purchase": "expenses",
    "SalesReceipt": "sales",
    "Vendor": "vendors",
    "VendorCredit": "expenses",
}
"""Pages that list objects of a type; Intuit documents none of them."""


def document_link(environment: Environment, realm: str, entity: str, id: str) -> str | None:
    """A document's or a party's page; None for types that have none."""
    if entity in _DOCUMENTS:
        return _link(environment, realm, f"{_DOCUMENTS[entity]}?txnId={id}")
    if entity in _PARTIES:
        return _link(environment, realm, f"{_PARTIES[entity]}?nameId={id}")
    return None


def account_link(environment: Environment, realm: str, id: str) -> str:
    """The register of an account."""
    return _link(environment, realm, f"register?accountId={id}")


def list_link(environment: Environment, realm: str, entity: str | None = None) -> str:
    """The page that lists objects of a type, or the company's first page where none is known."""
    return _link(environment, realm, _LISTS.get(entity or "", "homepage"))


def _link(environment: Environment, realm: str, page: str) -> str:
    asked = f"pagereq={quote(page, safe='')}&deeplinkcompanyid={quote(realm, safe='')}"
    return f"{_HOSTS[environment]}/app/login?{asked}"
