"""The entity types of the sandbox, copied from Intuit's reference on purpose.

The sandbox must not learn from the code it tests what QuickBooks Online holds, so this list is
its own. Facts: Accounting API reference, one page per entity; Change Data Capture page.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxType:
    """What a user can do with objects of one type.

    ``kind`` is ``transaction`` (hard delete), ``list`` (inactive or merged, never deleted),
    ``template``, ``singleton`` or ``other``; ``soft_delete`` says whether rows carry a
    meaningful ``Active``; ``voidable`` whether QuickBooks can void one; ``mergeable`` whether
    its user interface can merge two; ``rare`` whether only some companies have such objects:
    books that are built here hold none.
    """

    name: str
    kind: str
    soft_delete: bool = False
    voidable: bool = False
    mergeable: bool = False
    rare: bool = False

    @property
    def deletable(self) -> bool:
        """True where QuickBooks deletes for good and leaves a tombstone."""
        return self.kind in ("transaction", "template") or self.name == "Attachable"


def _lists(*names: str, merge: tuple[str, ...]) -> tuple[SandboxType, ...]:
    return tuple(
        SandboxType(name, "list", soft_delete=True, mergeable=name in merge) for name in names
    )


_VOIDABLE = (
    "Invoice",
    "Payment",
    "SalesReceipt",
    "CreditMemo",
    "RefundReceipt",
    "BillPayment",
    "Purchase",
    "Transfer",
)

TYPES: dict[str, SandboxType] = {
    each.name: each
    for each in (
        *(
            SandboxType(name, "transaction", voidable=name in _VOIDABLE)
            for name in (
                "Invoice",
                "Payment",
                "SalesReceipt",
                "Estimate",
                "CreditMemo",
                "RefundReceipt",
                "Bill",
                "BillPayment",
                "Purchase",
                "PurchaseOrder",
                "VendorCredit",
                "JournalEntry",
                "Deposit",
                "Transfer",
                "CreditCardPayment",
                "TimeActivity",
                "InventoryAdjustment",
                "ReimburseCharge",
            )
        ),
        SandboxType("ChangeOrder", "transaction", rare=True),
        SandboxType("TaxPayment", "transaction", rare=True),
        SandboxType("RecurringTransaction", "template"),
        *_lists(
            "Customer",
            "Vendor",
            "Employee",
            "Item",
            "Account",
            "Class",
            "Department",
            "Term",
            "PaymentMethod",
            "CompanyCurrency",
            merge=("Customer", "Vendor", "Employee", "Item", "Account", "Class", "Department"),
        ),
        *_lists("CustomerType", "TaxCode", "TaxRate", merge=()),
        SandboxType("TaxAgency", "list"),
        SandboxType("TaxClassification", "list", rare=True),
        SandboxType("JournalCode", "list", rare=True),
        SandboxType("Budget", "list", soft_delete=True),
        SandboxType("ExchangeRate", "other"),
        SandboxType("CompanyInfo", "singleton"),
        SandboxType("Preferences", "singleton"),
        SandboxType("Attachable", "other"),
    )
}
"""All types by Intuit's name, in the order of the reference."""
