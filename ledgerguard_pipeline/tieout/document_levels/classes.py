"""Types of transactions that stand in Intuit's reports only, and what explains each.

By Intuit's English labels. Of those the API serves as no entity, none can be derived from documents.
"""

from __future__ import annotations

from ledgerguard_pipeline.tieout.differences import DifferenceClass
from ledgerguard_pipeline.tieout.labels import ENTITY_OF

_BY_LABEL: dict[DifferenceClass, frozenset[str]] = {
    DifferenceClass.PAYROLL: frozenset(
        {"Payroll Check", "Payroll Adjustment", "Payroll Refund", "Paycheck"}
        | {"Payroll Liability Check", "YTD Adjustment"}
    ),
    DifferenceClass.TAX_PAYMENT: frozenset(
        {"Tax Payment", "GST Payment", "Sales Tax Payment", "Sales Tax Adjustment"}
        | {"Global Tax Payment", "Global Tax Adjustment", "Reverse Charge"}
    ),
    DifferenceClass.INVENTORY_VALUE: frozenset({"Inventory Starting Value"}),
    DifferenceClass.STATEMENT_CHARGE: frozenset(
        {"Statement", "Charge", "Credit", "Billable Charge", "Billable Expense Charge", "Job"}
    ),
}
_CLASS_OF = {label: kind for kind, labels in _BY_LABEL.items() for label in labels}


def class_of(label: str) -> DifferenceClass | None:
    """Why a type of transaction has no document; None if that is not known."""
    if label.startswith("Service Tax "):
        return DifferenceClass.TAX_PAYMENT
    return _CLASS_OF.get(label)


_PAYROLL = frozenset(
    {"PayrollExpenses", "PayrollWageExpenses", "PayrollTaxExpenses", "PayrollClearing"}
    | {"PayrollTaxPayable", "PayrollLiabilities", "DirectDepositPayable"}
)
_TAX = frozenset(
    {"SalesTaxPayable", "GlobalTaxPayable", "GlobalTaxSuspense", "StateLocalIncomeTaxPayable"}
    | {"GlobalTaxRefund", "GlobalTaxDeferred"}
)
_STOCK, _OPENING = "Inventory", "OpeningBalanceEquity"


def class_by_accounts(kinds: frozenset[tuple[str, str]]) -> DifferenceClass | None:
    """What a transaction of a label in another language is, by type and sub-type of its accounts."""
    subtypes = {subtype for _, subtype in kinds}
    if subtypes & _PAYROLL:
        return DifferenceClass.PAYROLL
    if subtypes & _TAX and all(type_ == "Bank" or kind in _TAX for type_, kind in kinds):
        return DifferenceClass.TAX_PAYMENT
    if subtypes == {_STOCK, _OPENING}:
        return DifferenceClass.INVENTORY_VALUE
    return None


def labels_of(kind: DifferenceClass) -> frozenset[str]:
    """The types of transactions that a class explains; none for a class of another kind."""
    return _BY_LABEL.get(kind, frozenset())


def is_known(label: str) -> bool:
    """Whether it is one of Intuit's English labels of a posting type."""
    return label in ENTITY_OF or class_of(label) is not None
