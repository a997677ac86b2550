"""The smaller lists of the sandbox: items, classes, locations, terms, currencies, taxes."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, Desk, ref
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline.sandbox.books.valuation.item_accounts import ItemAccounts
from ledgerguard_pipeline.sandbox.seed.names import WORK

_SERVICE_ACCOUNTS = (
    "design_income",
    "garden_income",
    "labour_income",
    "material_income",
    "pest_income",
    "product_income",
)
_ODD_PRICES = ("0.30000000000000004", "1E+2", "33.3333333", "100.10", "-0.0")
_CLASS_IDS = 5_000_000_000_000_085_682


def add_items(desk: Desk) -> None:
    """Services and goods to sell, stock to buy, a bundle, categories and inactive leftovers."""
    _add_sold_items(desk)
    _add_stock_items(desk)
    _add_other_items(desk)
    desk.bury("Item", desk.company.new_id("Item"), desk.end - DAY * 15)


def _enlist_item(desk: Desk, doc: Doc, index: int, *, active: bool = True) -> str:
    created = desk.start + 40_000 + index // 6 * 3_600
    return desk.enlist(
        "Item",
        doc,
        created,
        active=active,
        token=0 if active else 2,
        updated=created if active else desk.end - DAY * 20,
    )


def _add_sold_items(desk: Desk) -> None:
    for index in range(36):
        income = desk.accounts[_SERVICE_ACCOUNTS[index % 6]]
        cost = desk.accounts["cogs"]
        words = WORK[index % len(WORK)].replace("\n", " ")
        name = f"{words.split(',')[0].replace(':', ' ')} {index}"
        odd = _ODD_PRICES[index] if index < len(_ODD_PRICES) else None
        doc: Doc = {
            "Name": name,
            "Description": words,
            "Active": True,
            "FullyQualifiedName": name,
            "Taxable": index % 3 != 0,
            "UnitPrice": Num(odd) if odd else money(1_010 + index * 275),
            "Type": "Service" if index % 4 else "NonInventory",
            "IncomeAccountRef": income,
            "PurchaseCost": ZERO,
            "ExpenseAccountRef": cost,
            "TrackQtyOnHand": False,
        }
        id = _enlist_item(desk, doc, index)
        desk.services.append(ref(id, name))
        desk.company.chart.items[id] = ItemAccounts(income["value"], cost["value"], "0")


def _add_stock_items(desk: Desk) -> None:
    for index in range(16):
        name = f"Stock {('Pump', 'Fountain', 'Sod', 'Soil')[index % 4]} No. {index}"
        cost = money(790 + index * 110)
        income, asset = desk.accounts["product_income"], desk.accounts["inventory"]
        doc: Doc = {
            "Name": name,
            "Sku": f"00{index}-Ω",
            "Active": True,
            "FullyQualifiedName": name,
            "Taxable": True,
            "UnitPrice": money(1_575 + index * 210),
            "Type": "Inventory",
            "IncomeAccountRef": income,
            "PurchaseCost": cost,
            "ExpenseAccountRef": desk.accounts["cogs"],
            "AssetAccountRef": asset,
            "TrackQtyOnHand": True,
            "QtyOnHand": Num(str(20 + index)),
            "InvStartDate": "2025-01-01",
        }
        id = _enlist_item(desk, doc, 36 + index)
        desk.stock.append(ref(id, name))
        desk.company.chart.items[id] = ItemAccounts(
            income["value"], asset["value"], str(cost), desk.accounts["cogs"]["value"]
        )


def _add_other_items(desk: Desk) -> None:
    income, cost = desk.accounts["garden_income"], desk.accounts["cogs"]
    others: list[Doc] = [
        {"Name": name, "Active": True, "FullyQualifiedName": name, "Type": "Category"}
        for name in ("Trees", "Fountains & pools", "مواد")
    ]
    others.append(
        {
            "Name": "Deluxe Fountain",
            "Active": True,
            "FullyQualifiedName": "Deluxe Fountain",
            "Taxable": False,
            "Type": "Group",
            "PurchaseCost": ZERO,
            "TrackQtyOnHand": False,
            "PrintGroupedItems": True,
            "ItemGroupDetail": {
                "ItemGroupLine": [
                    {"ItemRef": each | {"type": "Inventory"}, "Qty": 1} for each in desk.stock[:2]
                ]
            },
        }
    )
    others += [
        {
            "Name": f"Discontinued {index} (deleted)",
            "Active": False,
            "FullyQualifiedName": f"Discontinued {index} (deleted)",
            "Taxable": False,
            "UnitPrice": ZERO,
            "Type": "Service",
            "IncomeAccountRef": income,
            "PurchaseCost": ZERO,
            "ExpenseAccountRef": cost,
            "TrackQtyOnHand": False,
        }
        for index in range(4)
    ]
    for index, doc in enumerate(others):
        id = _enlist_item(desk, doc, 52 + index, active=doc["Active"])
        desk.company.chart.items[id] = ItemAccounts(income["value"], cost["value"], "0")


def add_segments(desk: Desk) -> None:
    """Classes with 19-digit ids, and locations, both with children and inactive members."""
    names = ("France", "Europe's best", "Straße & Wege", "ראשי", "Radio 📻", "Coachella", "Old")
    for index, name in enumerate(names):
        active = name != "Old"
        shown = name if active else f"{name} (deleted)"
        doc: Doc = {"Name": shown, "SubClass": False, "FullyQualifiedName": shown, "Active": active}
        if index == 5:
            parent = desk.classes[0]
            doc |= {
                "SubClass": True,
                "ParentRef": {"value": parent["value"]},
                "FullyQualifiedName": f"{parent['name']}:{name}",
            }
            desk.company.chart.parents["Class", str(_CLASS_IDS + index)] = parent["value"]
        id = desk.enlist(
            "Class",
            doc,
            desk.start + 90_000 + index,
            id=str(_CLASS_IDS + index),
            active=active,
            token=int(not active),
            updated=None if active else desk.end - DAY * 8,
        )
        desk.classes.append(ref(id, doc["FullyQualifiedName"]))
    desk.company.reserve("Class", _CLASS_IDS + len(names))
    for index, name in enumerate(("Half Moon Bay", "Zürich", "東京", "Warehouse No. 7", "Closed")):
        active = name != "Closed"
        shown = name if active else f"{name} (deleted)"
        doc = {"Name": shown, "SubDepartment": False, "FullyQualifiedName": shown, "Active": active}
        id = desk.enlist(
            "Department",
            doc,
            desk.start + 91_000 + index,
            active=active,
            token=int(not active),
            updated=None if active else desk.end - DAY * 33,
        )
        desk.departments.append(ref(id, shown))


def add_terms(desk: Desk) -> None:
    """Payment terms, payment methods, customer types and currencies."""
    for index, days in enumerate((0, 15, 30, 60, 90)):
        name = f"Net {days}" if days else "Due on receipt"
        active = days != 90
        id = desk.enlist(
            "Term",
            {
                "Name": name if active else f"{name} (deleted)",
                "Active": active,
                "Type": "STANDARD",
                "DiscountPercent": ZERO,
                "DueDays": days,
                "DiscountDays": 0,
            },
            desk.start + index,
            active=active,
            token=int(not active),
            updated=None if active else desk.end - DAY * 60,
        )
        desk.terms.append(ref(id, name))
    for index, name in enumerate(("Cash", "Check", "Visa", "MasterCard", "Diner's Club", "Barter")):
        active = name != "Barter"
        id = desk.enlist(
            "PaymentMethod",
            {
                "Name": name if active else f"{name} (deleted)",
                "Active": active,
                "Type": "CREDIT_CARD" if index in (2, 3, 4) else "NON_CREDIT_CARD",
            },
            desk.start + 5,
            active=active,
            token=int(not active),
            updated=None if active else desk.end - DAY * 50,
        )
        desk.methods.append(ref(id, name))
    for index, name in enumerate(("Retail", "Wholesale", "Friends & Family")):
        desk.enlist("CustomerType", {"Name": name, "Active": True}, desk.start + 100 + index)
    for code, name, active in (
        ("EUR", "Euro", True),
        ("GBP", "British Pound Sterling", True),
        ("JPY", "Japanese Yen", True),
        ("VND", "Vietnamese Dong", False),
    ):
        desk.enlist(
            "CompanyCurrency",
            {
                "Code": code,
                "Name": name if active else f"{name} (deleted)",
                "Active": active,
            },
            desk.start + 200,
            active=active,
            token=int(not active),
            updated=None if active else desk.end - DAY * 21,
        )


def add_taxes(desk: Desk) -> None:
    """Agencies, rates and codes; the two built-in codes carry no SyncToken, as captured."""
    at = desk.start + 20
    for name in ("Arizona Dept. of Revenue", "Board of Equalization"):
        desk.enlist(
            "TaxAgency",
            {
                "TaxTrackedOnPurchases": False,
                "TaxTrackedOnSales": True,
                "DisplayName": name,
            },
            at,
        )
    for name, rate, agency in (
        ("AZ State tax", "7.1", "1"),
        ("Tucson City", "2", "1"),
        ("California", "8", "2"),
        ("Old rate", "8.2500", "2"),
    ):
        desk.enlist(
            "TaxRate",
            {
                "Name": name,
                "Description": "Sales Tax",
                "Active": name != "Old rate",
                "RateValue": Num(rate),
                "AgencyRef": {"value": agency},
                "SpecialTaxType": "NONE",
                "DisplayType": "ReadOnly",
            },
            at,
            active=name != "Old rate",
        )
    for id in ("TAX", "NON"):
        desk.put_bare(
            "TaxCode",
            id,
            {
                "Name": id,
                "Description": id,
                "Taxable": id == "TAX",
                "TaxGroup": False,
                "Id": id,
                "MetaData": {"CreateTime": write_time(at), "LastUpdatedTime": write_time(at)},
            },
            at,
        )
    desk.company.reserve("TaxCode", 2)
    for name, rates in (("California", ("3",)), ("Tucson", ("1", "2"))):
        desk.enlist(
            "TaxCode",
            {
                "Name": name,
                "Description": name,
                "Active": True,
                "Taxable": True,
                "TaxGroup": True,
                "SalesTaxRateList": {
                    "TaxRateDetail": [
                        {
                            "TaxRateRef": {"value": rate},
                            "TaxTypeApplicable": "TaxOnAmount",
                            "TaxOrder": ZERO,
                        }
                        for rate in rates
                    ]
                },
                "PurchaseTaxRateList": {"TaxRateDetail": []},
            },
            at,
        )
