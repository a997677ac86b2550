"""Which entity types a reference may lead to, by the stem of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ACCOUNTS = (
    "account",
    "ap_account",
    "ar_account",
    "asset_account",
    "bank_account",
    "cash_back_account",
    "cc_account",
    "credit_card_account",
    "deposit_to_account",
    "discount_account",
    "expense_account",
    "from_account",
    "income_account",
    "item_account",
    "to_account",
)
TARGETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(_ACCOUNTS, ("account",)),
        "class": ("class",),
        "customer": ("customer",),
        "department": ("department",),
        "employee": ("employee",),
        "group_item": ("item",),
        "item": ("item",),
        "payment_method": ("payment_method",),
        "sales_term": ("term",),
        "tax_rate": ("tax_rate",),
        "vendor": ("vendor",),
    }
)
"""Tables of Bronze, which also holds what was deleted or merged since. Currencies are codes, tax
codes may be the words TAX and NON, and the other side of an entity depends on its type."""
