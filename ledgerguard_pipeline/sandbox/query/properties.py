"""What can be asked of each entity type: its kind, its answer key and its filterable properties.

Follows the "filterable / sortable" columns of Intuit's reference pages; a test compares the names
with the product's own registry, which the sandbox must not import.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class PropertyKind(StrEnum):
    """How a property's values compare."""

    ID = "id"
    TIME = "time"
    FLAG = "flag"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    REF = "ref"


@dataclass(frozen=True, slots=True)
class Queryable:
    """An entity type as the query, read and CDC endpoints know it."""

    name: str
    answer_key: str
    transaction: bool
    soft_delete: bool
    cdc: bool
    properties: dict[str, tuple[str, PropertyKind]] = field(repr=False)
    """By lower-case name: Intuit's spelling and the kind."""

    @property
    def perhaps_hidden(self) -> bool:
        """Whether no page says what queries do with its inactive rows; a switch does here."""
        return self.name in ("CustomerType", "TaxCode", "TaxRate")


_DATES = ("TxnDate", "DueDate", "ExpirationDate", "AsOfDate", "StartDate", "EndDate")
_NUMBERS = (
    "TotalAmt", "Balance", "UnappliedAmt", "RemainingCredit", "Amount", "CurrentBalance",
    "UnitPrice", "QtyOnHand", "Rate", "DueDays", "Hours",
)  # fmt: skip
_FLAGS = ("Active", "SubAccount", "Job", "Taxable", "Adjustment")
_NO_CDC = frozenset(
    {"TimeActivity", "TaxCode", "TaxRate", "TaxAgency", "JournalCode", "TaxClassification"}
)
_NAMES = "Name FullyQualifiedName"
_PERSON = "DisplayName GivenName MiddleName FamilyName CompanyName PrintOnCheckName"

_TRANSACTIONS = {
    "Invoice": "DocNumber TxnDate DueDate TotalAmt Balance CustomerRef",
    "Payment": "TxnDate TotalAmt UnappliedAmt CustomerRef PaymentRefNum",
    "SalesReceipt": "DocNumber TxnDate TotalAmt Balance CustomerRef",
    "Estimate": "DocNumber TxnDate ExpirationDate TotalAmt CustomerRef TxnStatus",
    "CreditMemo": "DocNumber TxnDate TotalAmt Balance RemainingCredit CustomerRef",
    "RefundReceipt": "DocNumber TxnDate TotalAmt Balance CustomerRef",
    "Bill": "DocNumber TxnDate DueDate TotalAmt Balance VendorRef",
    "BillPayment": "DocNumber TxnDate TotalAmt VendorRef PayType",
    "Purchase": "DocNumber TxnDate TotalAmt PaymentType AccountRef",
    "PurchaseOrder": "DocNumber TxnDate DueDate TotalAmt VendorRef POStatus",
    "VendorCredit": "DocNumber TxnDate TotalAmt Balance VendorRef",
    "JournalEntry": "DocNumber TxnDate TotalAmt Adjustment",
    "Deposit": "DocNumber TxnDate TotalAmt",
    "Transfer": "TxnDate Amount FromAccountRef ToAccountRef",
    "CreditCardPayment": "TxnDate Amount",
    "TimeActivity": "TxnDate NameOf EmployeeRef VendorRef CustomerRef Hours BillableStatus",
    "InventoryAdjustment": "DocNumber TxnDate",
    "ReimburseCharge": "TxnDate Amount CustomerRef",
    "ChangeOrder": "DocNumber TxnDate TotalAmt CustomerRef",
    "TaxPayment": "PaymentDate PaymentAmount",
    "RecurringTransaction": "",
}
_LISTS = {
    "Customer": f"Active {_PERSON} FullyQualifiedName Balance Job",
    "Vendor": f"Active {_PERSON} Balance",
    "Employee": f"Active {_PERSON}",
    "Item": f"Active {_NAMES} Type Sku UnitPrice QtyOnHand",
    "Account": f"Active {_NAMES} AccountType AccountSubType Classification CurrentBalance "
    "AcctNum SubAccount",
    "Class": f"Active {_NAMES}",
    "Department": f"Active {_NAMES}",
    "Term": "Active Name Type DueDays",
    "PaymentMethod": "Active Name Type",
    "CompanyCurrency": "Active Name Code",
    "Budget": "Active Name BudgetType StartDate EndDate",
}
_OTHERS = {
    "CustomerType": "Name Active",
    "TaxCode": "Name Active",
    "TaxRate": "Name Active",
    "TaxAgency": "DisplayName",
    "TaxClassification": "Name Code",
    "JournalCode": "Name",
    "ExchangeRate": "SourceCurrencyCode TargetCurrencyCode AsOfDate Rate",
    "CompanyInfo": "CompanyName LegalName",
    "Preferences": "",
    "Attachable": "FileName Category",
}
_ANSWER_KEYS = {"CreditCardPayment": "CreditCardPaymentTxn"}


def _kind(name: str) -> PropertyKind:
    if name in _DATES:
        return PropertyKind.DATE
    if name in _NUMBERS:
        return PropertyKind.NUMBER
    if name in _FLAGS:
        return PropertyKind.FLAG
    return PropertyKind.REF if name.endswith("Ref") else PropertyKind.TEXT


def _queryable(name: str, properties: str, *, transaction: bool, soft_delete: bool) -> Queryable:
    known = {
        "id": ("Id", PropertyKind.ID),
        "metadata.createtime": ("MetaData.CreateTime", PropertyKind.TIME),
        "metadata.lastupdatedtime": ("MetaData.LastUpdatedTime", PropertyKind.TIME),
    }
    known |= {prop.lower(): (prop, _kind(prop)) for prop in properties.split()}
    key = _ANSWER_KEYS.get(name, name)
    return Queryable(name, key, transaction, soft_delete, name not in _NO_CDC, known)


QUERYABLES: tuple[Queryable, ...] = (
    *(_queryable(n, p, transaction=True, soft_delete=False) for n, p in _TRANSACTIONS.items()),
    *(_queryable(n, p, transaction=False, soft_delete=True) for n, p in _LISTS.items()),
    *(_queryable(n, p, transaction=False, soft_delete=False) for n, p in _OTHERS.items()),
)
"""Every entity type the sandbox serves."""

_BY_NAME = {entity.name.lower(): entity for entity in QUERYABLES}
_BY_NAME |= {entity.answer_key.lower(): entity for entity in QUERYABLES}


def queryable(name: str) -> Queryable | None:
    """The type of that name in any case, or None."""
    return _BY_NAME.get(name.lower())
