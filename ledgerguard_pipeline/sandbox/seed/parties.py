"""Customers, vendors and employees of the sandbox: one namespace, one id sequence."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.answers.custom_fields import custom_fields
from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, PEOPLE, USD, Desk, ref
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num, money
from ledgerguard_pipeline.sandbox.seed.names import (
    AWKWARD_NAMES,
    CITIES,
    FIRST,
    LAST,
    STREETS,
    TRADES,
)

CUSTOMERS = 140
VENDORS = 56
EMPLOYEES = 18

MASKED_SSN = "-".join("X" * digits for digits in (3, 2, 4))
"""What Intuit answers instead of a social security number: an X for each digit, in its groups."""


def address(index: int, id: str) -> Doc:
    city, state, code = CITIES[index % len(CITIES)]
    return {
        "Id": str(int(id) + 1_000),
        "Line1": f"{100 + index * 37} {STREETS[index % len(STREETS)]}",
        "City": city,
        "CountrySubDivisionCode": state,
        "PostalCode": code,
        # Where Intuit cannot place an address it says so in these words.
        **({"Lat": "INVALID", "Long": "INVALID"} if index % 5 == 1 else {}),
    }


def _trade_name(index: int) -> str:
    return f"{LAST[index % 20]} {TRADES[(index * 7 + index // 20) % 20]}"


def _person(index: int) -> tuple[str, str]:
    return FIRST[(index * 3 + index // 20) % 20], LAST[(index * 11 + 5) % 20]


def add_customers(desk: Desk) -> None:
    """Awkward names first, then ordinary ones, jobs below some, a few inactive, some merged."""
    company = desk.company
    for index in range(CUSTOMERS):
        id = company.new_id(PEOPLE)
        first, last = _person(index)
        awkward = index < len(AWKWARD_NAMES)
        name = AWKWARD_NAMES[index] if awkward else f"{_trade_name(index)} {index}"
        active = index % 23 != 22
        parent = desk.customers[index - 26] if index % 17 == 16 and index >= 26 else None
        if parent:
            name = f"Job {index}: {STREETS[index % 10]}"
        full = f"{parent['name']}:{name}" if parent else name
        if not active:
            name, full = f"{name} (deleted)", f"{full} (deleted)"
        doc: Doc = {
            "Taxable": index % 3 != 0,
            "BillAddr": address(index, id),
            **({"ParentRef": {"value": parent["value"]}, "Level": 1} if parent else {}),
            **({"Notes": "Line one\nLine two\tnaïve «notes» \u0007"} if index % 9 == 0 else {}),
            "Job": parent is not None,
            "BillWithParent": False,
            "CurrencyRef": USD,
            "PreferredDeliveryMethod": "Print" if index % 2 else "Email",
            "IsProject": False,
            **({"CustomField": custom_fields(index)} if index % 13 == 5 else {}),
            "ClientEntityId": "0",
            "V4IDPseudonym": f"00{index:030x}",
            "GivenName": first,
            "FamilyName": last,
            "FullyQualifiedName": full,
            "CompanyName": name,
            "DisplayName": name,
            "PrintOnCheckName": name,
            "Active": active,
            "PrimaryPhone": {"FreeFormNumber": f"(650) 555-{1000 + index}"},
            "PrimaryEmailAddr": {"Address": f"customer{index}@example.com"},
        }
        created = desk.start + DAY + (index // 10) * 40_000
        if parent:
            company.chart.parents["Customer", id] = parent["value"]
        desk.customers.append(ref(id, full))
        if active:
            desk.buyers.append(ref(id, full))
        desk.wait(
            "Customer",
            id,
            doc,
            created,
            token=0 if active else 1,
            updated=created if active else desk.end - DAY * (3 + index),
        )
    for days in (9, 45):
        desk.bury("Customer", company.new_id(PEOPLE), desk.end - DAY * days)


def add_vendors(desk: Desk) -> None:
    """Suppliers; one written with JSON escapes only, some inactive, one merged away."""
    company = desk.company
    for index in range(VENDORS):
        id = company.new_id(PEOPLE)
        first, last = _person(index + 400)
        active = index % 19 != 18
        name = f"{_trade_name(index + 211)} Supply {index}"
        if index < 4:
            name = f"{AWKWARD_NAMES[index]} (supplier)"
        if not active:
            name += " (deleted)"
        doc: Doc = {
            "BillAddr": address(index + 50, id),
            "Vendor1099": index % 5 == 0,
            "CurrencyRef": USD,
            **({"AcctNum": f"{index:08d}", "BillRate": Num("1E+2")} if index % 6 == 0 else {}),
            "GivenName": first,
            "FamilyName": last,
            "CompanyName": name,
            "DisplayName": name,
            "PrintOnCheckName": name,
            **({"CustomField": custom_fields(index)} if index % 13 == 5 else {}),
            "Active": active,
            "WebAddr": {"URI": f"https://vendor{index}.example.com/"},
        }
        created = desk.start + DAY + (index // 8) * 50_000
        if active:
            desk.suppliers.append(ref(id, name))
        desk.wait(
            "Vendor",
            id,
            doc,
            created,
            token=0 if active else 1,
            updated=created if active else desk.end - DAY * (2 + index),
        )
    desk.bury("Vendor", company.new_id(PEOPLE), desk.end - DAY * 6)


def add_employees(desk: Desk) -> None:
    """People who work; social security numbers are masked as Intuit masks them."""
    for index in range(EMPLOYEES):
        first, last = FIRST[index], LAST[(index * 9 + 2) % 20]
        active = index % 8 != 7
        name = f"{first} {last}" + ("" if active else " (deleted)")
        doc: Doc = {
            "SSN": MASKED_SSN,
            "PrimaryAddr": address(index + 90, str(9_000 + index)),
            "BillableTime": index % 2 == 0,
            "BillRate": money(4_550 + 1_010 * index),
            "GivenName": first,
            "FamilyName": last,
            "DisplayName": name,
            "PrintOnCheckName": name,
            "Active": active,
        }
        created = desk.start + DAY * 2 + index * 90_000
        id = desk.enlist(
            "Employee",
            doc,
            created,
            id=desk.company.new_id(PEOPLE),
            token=0 if active else 1,
            active=active,
            updated=created if active else desk.end - DAY * 5,
        )
        if active:
            desk.staff.append(ref(id, name))
