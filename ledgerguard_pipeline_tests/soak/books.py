"""The four companies of a soak, and the sandbox they are served from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import FIRST_REALM, SandboxServer
from ledgerguard_pipeline.sandbox.switches import Hazard, Switches

CLIENT_SECRET = "cAnArY-client-secret-of-the-soak-0123456789"
VERIFIER = "cAnArY-verifier-token-of-the-soak-0123456789"

CALM_TYPES = ("Department", "Term", "PaymentMethod")
"""Edited by nothing but the actions that need an object nobody else touches."""

LUCK = {
    "loss": 0.15, "duplicate": 0.15, "reorder": 0.15, "reorder_seconds": 160.0,
    "jitter_seconds": 80.0, "gather_seconds": 10.0, "time_scale": 0.05,
}  # fmt: skip
"""How badly webhooks travel: every seventh lost, doubled or out of order, all of them late.
Time passes twenty times as fast as at Intuit, so that its ladder of repetitions fits into a soak."""

EVEN_LUCK = {"loss": 0.0, "duplicate": 0.0, "reorder": 0.0, "jitter_seconds": 0.0}

EDITS_WHILE_PAGING = Hazard(entities=("Invoice",), delete=60, insert=40)
"""Every page moves more rows than two pages share, so a walk that trusts positions loses some."""

UNCOUNTED: dict[str, Any] = {
    "endpoint": "batch_item", "entity": "Invoice", "realm": str(FIRST_REALM), "probability": 1.0,
}  # fmt: skip
"""Meanwhile the large company's invoices cannot be counted: the seams are all there is to go by."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many invoices the large company has and the others have, and which types are kept.

    The large one needs more than two pages of a thousand, or there is no seam to check. No
    ``kept`` types mean all.
    """

    large: int
    small: int
    kept: tuple[str, ...] = ()


SHORT = Size(
    2_600, 150,
    ("Invoice", "Payment", "SalesReceipt", "Estimate", "Bill", "Purchase", "JournalEntry",
     "TimeActivity", "Customer", "Vendor", "Item", "Account", "Class", "Department", "Term",
     "PaymentMethod", "Attachable"),
)  # fmt: skip
"""Types of every kind: so few that four companies are loaded well before two minutes are over."""
LEAN = Size(
    2_100, 40,
    ("Invoice", "Payment", "Customer", "Item", "Attachable", "Department", "Term",
     "PaymentMethod"),
)  # fmt: skip
"""For less than two minutes: what edits, merges and seams need."""
LONG = Size(5_000, 300)

SHORT_MINUTES = 2.0
_LONG_MINUTES = 10.0


def size_of(minutes: float) -> Size:
    """The books for a soak of that length."""
    if minutes < SHORT_MINUTES:
        return LEAN
    return LONG if minutes >= _LONG_MINUTES else SHORT


class Role(StrEnum):
    """What is special about a company."""

    LARGE = "large"
    CURRENCIES = "currencies"
    THROTTLED = "throttled"
    RECONNECTED = "reconnected"


REALMS = {role: str(FIRST_REALM + number) for number, role in enumerate(Role)}
ROLES = {realm: role for role, realm in REALMS.items()}


def build_books(seed: int, size: Size) -> list[SandboxCompany]:
    """The same books for the same seed: one company is large, one keeps several currencies."""
    return [
        build_company(
            realm,
            seed + number,
            size.large if role is Role.LARGE else size.small,
            name=f"Soak {role.value.title()} Søn",
            varied=role is Role.CURRENCIES,
        )
        for number, (role, realm) in enumerate(REALMS.items())
    ]


def serve_books(seed: int, size: Size) -> SandboxServer:
    """A sandbox, not yet started. A refresh token used twice ends its grant, as Intuit warns."""
    return SandboxServer(
        build_books(seed, size),
        client_secret=CLIENT_SECRET,
        switches=Switches(replay_revokes=True),
    )
