"""Members of Intuit's objects that matter to what is a version: always there, or signed anew.

``ALWAYS`` names members that every whole object of a type has, a void included. A row without
one of them says only that the object changed, not how it is. The lists are short on purpose:
a member that is merely usual would have whole rows read twice. Facts: Intuit's Accounting API
reference and captured answers.

``SIGNED_LINKS`` are addresses that Intuit signs anew at each read and that open a file to
whoever holds them, for 900 seconds. They say nothing about the object and are credentials.

Decision 55 in docs/decisions.md.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

SIGNED_LINKS = ("TempDownloadUri", "ThumbnailTempDownloadUri")
"""Attachable; the names are not used for anything else."""

LINK_LEFT_OUT = "left out: a signed link"
"""What Bronze holds in place of a signed link, so that equal objects have equal bytes."""

_SALE = ("SyncToken", "MetaData", "TxnDate", "CustomerRef", "Line", "TotalAmt")
_PURCHASE = ("SyncToken", "MetaData", "TxnDate", "VendorRef", "Line", "TotalAmt")
_NAMED = ("SyncToken", "MetaData", "Name")
_PERSON = ("SyncToken", "MetaData", "DisplayName")

ALWAYS: dict[str, tuple[str, ...]] = {
    "Invoice": _SALE,
    "Estimate": _SALE,
    "CreditMemo": _SALE,
    "SalesReceipt": ("SyncToken", "MetaData", "TxnDate", "Line", "TotalAmt"),
    "RefundReceipt": ("SyncToken", "MetaData", "TxnDate", "Line", "TotalAmt"),
    "Payment": ("SyncToken", "MetaData", "TxnDate", "CustomerRef", "TotalAmt"),
    "Bill": _PURCHASE,
    "PurchaseOrder": _PURCHASE,
    "VendorCredit": _PURCHASE,
    # A void empties the lines of a bill payment.
    "BillPayment": ("SyncToken", "MetaData", "TxnDate", "VendorRef", "PayType", "TotalAmt"),
    "Purchase": ("SyncToken", "MetaData", "TxnDate", "AccountRef", "PaymentType", "Line"),
    "JournalEntry": ("SyncToken", "MetaData", "TxnDate", "Line"),
    "Deposit": ("SyncToken", "MetaData", "TxnDate", "Line"),
    "Transfer": ("SyncToken", "MetaData", "TxnDate", "Amount"),
    "CreditCardPayment": ("SyncToken", "MetaData", "TxnDate", "Amount"),
    "TimeActivity": ("SyncToken", "MetaData", "TxnDate"),
    "InventoryAdjustment": ("SyncToken", "MetaData", "Line"),
    "ReimburseCharge": ("SyncToken", "MetaData", "Amount"),
    "Customer": _PERSON,
    "Vendor": _PERSON,
    "Employee": _PERSON,
    "TaxAgency": ("DisplayName",),
    "Item": ("SyncToken", "MetaData", "Name", "Type"),
    "Account": ("SyncToken", "MetaData", "Name", "AccountType"),
    "Class": _NAMED,
    "Department": _NAMED,
    "Term": _NAMED,
    "PaymentMethod": _NAMED,
    "CompanyCurrency": ("SyncToken", "MetaData", "Code"),
    "CustomerType": _NAMED,
    # The built-in codes TAX and NON have no edit counter.
    "TaxCode": ("Name",),
    "TaxRate": ("Name",),
    "Budget": _NAMED,
    "ExchangeRate": ("SourceCurrencyCode", "AsOfDate"),
    "CompanyInfo": ("SyncToken", "CompanyName"),
    "Preferences": ("SyncToken", "MetaData"),
    "Attachable": ("SyncToken", "MetaData"),
}

# A JSON text holds no bare quotation mark, so this matches members only, at any depth.
_SIGNED = re.compile(
    rb'("(?:' + "|".join(SIGNED_LINKS).encode() + rb')"\s*:\s*)"(?:[^"\\]|\\.)*"', re.DOTALL
)
# One name ends with the other, so looking for the shorter finds both: every payload is searched.
_LINK_NAMES = tuple(
    name.encode()
    for name in SIGNED_LINKS
    if not any(other != name and other in name for other in SIGNED_LINKS)
)


@cache
def always_there(entity: str) -> tuple[bytes, ...]:
    """Names, quoted as in JSON, that the bytes of a whole object of this type contain."""
    return tuple(f'"{name}"'.encode() for name in ALWAYS.get(entity, ()))


def lacking(entity: str, payload: bytes) -> tuple[str, ...]:
    """Members that whole objects of this type always have and this one has not.

    Only members of the object itself count, not of what it holds. What is no JSON object lacks
    all of them.
    """
    names = ALWAYS.get(entity, ())
    try:
        document = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return names
    return tuple(name for name in names if name not in document)


def called_sparse(payload: bytes) -> bool:
    """Whether an object says of itself that it is not shown whole."""
    try:
        document = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return bytes(document.get("sparse", msgspec.Raw())) in (b"true", b'"true"')


def without_signed_links(payload: bytes) -> bytes:
    """The same bytes with ``LINK_LEFT_OUT`` in place of each signed link.

    Works on what is no complete JSON as well, so that quarantine can use it.
    """
    for name in _LINK_NAMES:
        if name in payload:
            break
    else:
        return payload
    return _SIGNED.sub(rb'\1"' + LINK_LEFT_OUT.encode() + b'"', payload)
