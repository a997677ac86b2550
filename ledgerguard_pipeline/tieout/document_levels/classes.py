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


def labels_of(kind: DifferenceClass) -> frozenset[str]:
    """The types of transactions that a class explains; none for a class of another kind."""
    return _BY_LABEL.get(kind, frozenset())


def is_known(label: str) -> bool:
    """Whether it is one of Intuit's English labels of a posting type."""
    return label in ENTITY_OF or class_of(label) is not None
