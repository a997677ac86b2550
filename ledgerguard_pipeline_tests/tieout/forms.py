"""Documents as Intuit sends them, with what matters for the legs they have to have."""

from __future__ import annotations

from decimal import Decimal

Doc = dict[str, object]
DAY = "2026-03-05"


def ref(id: str) -> Doc:
    return {"value": id}


def account(type_: str, subtype: str, currency: str = "USD") -> Doc:
    return {
        "Name": subtype,
        "FullyQualifiedName": subtype,
        "Active": True,
        "AccountType": type_,
        "AccountSubType": subtype,
        "CurrencyRef": ref(currency),
    }


def sold(amount: str, item: str = "1", **more: object) -> Doc:
    detail = {"ItemRef": ref(item), **more}
    return {
        "Amount": Decimal(amount),
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def spent(amount: str, account_id: str) -> Doc:
    return {
        "Amount": Decimal(amount),
        "DetailType": "AccountBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail": {"AccountRef": ref(account_id)},
    }


def form(total: str, *lines: Doc, **more: object) -> Doc:
    return {"TxnDate": DAY, "TotalAmt": Decimal(total), "Line": list(lines), **more}


def tax(amount: str, rate: str = "7") -> Doc:
    detail = {"TaxRateRef": ref(rate)}
    line = {"Amount": Decimal(amount), "DetailType": "TaxLineDetail", "TaxLineDetail": detail}
    return {"TotalTax": Decimal(amount), "TaxLine": [line]}


ACCOUNTS = {
    "10": account("Accounts Receivable", "AccountsReceivable"),
    "11": account("Accounts Receivable", "AccountsReceivable", "EUR"),
    "20": account("Accounts Payable", "AccountsPayable"),
    "21": account("Accounts Payable", "AccountsPayable", "EUR"),
    "30": account("Other Current Asset", "UndepositedFunds"),
    "31": account("Income", "DiscountsRefundsGiven"),
    "32": account("Other Expense", "ExchangeGainOrLoss"),
}
ITEMS = {
    "1": {"Name": "Hours", "Type": "Service", "IncomeAccountRef": ref("40")},
    "2": {
        "Name": "Pump",
        "Type": "Inventory",
        "IncomeAccountRef": ref("41"),
        "ExpenseAccountRef": ref("50"),
        "AssetAccountRef": ref("60"),
    },
}
EURO: Doc = {"CurrencyRef": ref("EUR"), "ExchangeRate": Decimal("1.2345")}
DISCOUNT: Doc = {
    "Amount": Decimal(10),
    "DetailType": "DiscountLineDetail",
    "DiscountLineDetail": {},
}
SUBTOTAL: Doc = {"Amount": Decimal(100), "DetailType": "SubTotalLineDetail"}
BUNDLE: Doc = {
    "Amount": Decimal(30),
    "DetailType": "GroupLineDetail",
    "GroupLineDetail": {"Line": [sold("10"), sold("20", ItemAccountRef=ref("42"))]},
}


def paid(amount: str, entity: str, id: str) -> Doc:
    return {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": id, "TxnType": entity}]}


def entry(
    amount: str,
    side: str,
    account_id: str,
    *,
    customer: str | None = None,
    vendor: str | None = None,
    **more: object,
) -> Doc:
    """A line of an entry; on receivables or payables it names whom it is about."""
    detail: Doc = {"PostingType": side, "AccountRef": ref(account_id), **more}
    if customer or vendor:
        kind = "Customer" if customer else "Vendor"
        detail["Entity"] = {"Type": kind, "EntityRef": ref(customer or vendor or "")}
    return {
        "Amount": Decimal(amount),
        "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": detail,
    }


LISTS: dict[str, Doc] = {
    "Preferences": {"1": {"CurrencyPrefs": {"HomeCurrency": ref("USD")}}},
    "Account": dict(ACCOUNTS),
    "Item": dict(ITEMS),
}
