"""Custom fields: a plain answer shows the first three texts of sales forms, and no others.

All of them, of each kind and also on purchase forms, customers and vendors, are shown to who asks
with ``include=enhancedAllCustomFields`` (Intuit's page on custom fields). Which endpoints honour
that is not documented for all of them, hence switches.
"""

from __future__ import annotations

import msgspec

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal
from ledgerguard_pipeline.sandbox.answers.replies import dumps
from ledgerguard_pipeline.sandbox.books.json_text import Num

INCLUDE = "enhancedAllCustomFields"

SALES_FORMS = frozenset({"Invoice", "Estimate", "SalesReceipt", "CreditMemo", "RefundReceipt"})
CARRIERS = SALES_FORMS | {"Purchase", "Bill", "PurchaseOrder", "VendorCredit", "Customer", "Vendor"}

_ENHANCED = b'"DefinitionId":"10000000'
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FIELDS = msgspec.json.Decoder(list[msgspec.Raw]).decode


def custom_fields(number: int) -> list[dict[str, object]]:
    """Fields of each kind: four texts, a number, a date and a choice from a drop-down list."""
    return [
        {"DefinitionId": "1", "Name": "Crew #", "Type": "StringType",
         "StringValue": f"Crew {number}"},
        {"DefinitionId": "2", "Name": "Site", "Type": "StringType",
         "StringValue": f"Gate {number % 7}"},
        {"DefinitionId": "3", "Name": "Sales Rep", "Type": "StringType",
         "StringValue": f"Søn {number % 5}"},
        {"DefinitionId": "1000000001", "Name": "Contract", "Type": "StringType",
         "StringValue": f"C-{1000 + number}"},
        {"DefinitionId": "1000000002", "Name": "Hours agreed", "Type": "NumberType",
         "NumberValue": Num(f"{number % 40}.50")},
        {"DefinitionId": "1000000003", "Name": "Handover", "Type": "DateType",
         "DateValue": f"2026-03-{1 + number % 28:02}"},
        {"DefinitionId": "1000000004", "Name": "Region", "Type": "StringType",
         "StringValue": ("North", "South")[number % 2]},
    ]  # fmt: skip


def honoured(asked: str | None, how: str) -> bool:
    """Whether an answer shows every field, given what was asked and how the endpoint takes it.

    Raises:
        Refusal: the endpoint does not know the parameter.
    """
    if asked is None:
        return False
    if how == "refused" or asked != INCLUDE:
        raise Refusal(
            "2010",
            "Request has invalid or unsupported property",
            f"Property Name:include value {asked} is unsupported or invalid",
        )
    return how == "honoured"


def trimmed(entity: str, body: bytes) -> bytes:
    """A record as a plain answer shows it; the bytes of every value stay."""
    if _ENHANCED not in body:
        return body
    members = {name: bytes(raw) for name, raw in _MEMBERS(body).items()}
    if "CustomField" not in members:
        return body  # a template, which wraps the form
    fields = [
        bytes(field)
        for field in _FIELDS(members.get("CustomField", b"[]"))
        if entity in SALES_FORMS and _ENHANCED not in bytes(field)
    ]
    members["CustomField"] = b"[" + b",".join(fields) + b"]"
    return b"{" + b",".join(dumps(name) + b":" + raw for name, raw in members.items()) + b"}"
