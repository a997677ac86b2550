"""Lists that documents refer to: items, employees, classes, terms and the like."""

from __future__ import annotations

from ledgerguard_pipeline.silver.registry.forms import NAMES
from ledgerguard_pipeline.silver.registry.write import (
    address,
    columns,
    date,
    flag,
    number,
    ref,
    text,
    whole,
)
from ledgerguard_pipeline.silver.specs import Block, Child, Source

_NAMED = columns(text("Name", "Name."), flag("Active", "False once made inactive."))
_TREE = columns(
    text("FullyQualifiedName", "Name with those above it, `Parent:Child`."),
    ref("ParentRef", "The one above."),
)

BLOCKS = (
    Block(
        "Employee",
        "One row per employee.",
        columns(
            NAMES,
            text("EmployeeNumber", "Number of the employee."),
            text("PrimaryEmailAddr.Address", "E-mail address.", "primary_email"),
            text("PrimaryPhone.FreeFormNumber", "Telephone.", "primary_phone"),
            text("Mobile.FreeFormNumber", "Mobile telephone.", "mobile"),
            flag("BillableTime", "Whether hours are billed on."),
            number("BillRate", "Price of an hour."),
            number("CostRate", "Cost of an hour."),
            date("HiredDate", "First day."),
            date("ReleasedDate", "Last day."),
            flag("Organization", "Whether it is an organisation."),
        ),
        personal=("SSN", "BirthDate", "Gender", "PrimaryAddr", "OtherAddr", "Notes"),
        left_out=("V4IDPseudonym", "IntuitId", "UserId"),
    ),
    Block(
        "Item",
        "One row per product, service, bundle or category.",
        columns(
            _NAMED,
            _TREE,
            text("Sku", "Stock-keeping unit."),
            text("Type", "Service, Inventory, NonInventory, Group or Category."),
            flag("SubItem", "Whether it lies below another item."),
            whole("Level", "How deep below the top."),
            text("Description", "Description on sales forms."),
            text("PurchaseDesc", "Description on purchase forms."),
            number("UnitPrice", "Sales price."),
            number("RatePercent", "Price where it is a percentage."),
            number("PurchaseCost", "Purchase price."),
            number("AvgCost", "Average cost."),
            flag("Taxable", "Whether sales are taxed."),
            flag("SalesTaxIncluded", "Whether the sales price has tax in it."),
            flag("PurchaseTaxIncluded", "Whether the purchase price has tax in it."),
            flag("TrackQtyOnHand", "Whether stock is counted."),
            number("QtyOnHand", "Stock."),
            number("QtyOnPurchaseOrder", "Ordered."),
            number("QtyOnSalesOrder", "Promised."),
            number("ReorderPoint", "Stock at which to order."),
            date("InvStartDate", "First day stock is counted."),
            ref("IncomeAccountRef", "Income account."),
            ref("ExpenseAccountRef", "Expense or cost-of-goods account."),
            ref("AssetAccountRef", "Inventory account."),
            ref("COGSAccountRef", "Cost-of-goods account."),
            ref("SalesTaxCodeRef", "Tax code of sales."),
            ref("PurchaseTaxCodeRef", "Tax code of purchases."),
            ref("TaxClassificationRef", "Tax classification."),
            ref("PrefVendorRef", "Preferred vendor."),
            ref("ClassRef", "Class."),
            flag("PrintGroupedItems", "Whether a bundle's parts are printed."),
            flag("DeferredRevenue", "Whether revenue is recognised over time."),
            text("ItemCategoryType", "Kind of category."),
            text("ServiceType", "Kind of service (India)."),
            text("Source", "Program that made it."),
        ),
        (
            Child(
                "component",
                "component_no",
                (
                    Source("ItemGroupDetail.ItemGroupLine"),
                    Source("ItemAssemblyDetail.ItemAssemblyLine"),
                ),
                columns(
                    ref("ItemRef", "Part.", "item", typed=True),
                    number("Qty", "How many of it."),
                ),
                "One row per part of a bundle.",
            ),
        ),
    ),
    Block(
        "Class",
        "One row per class.",
        columns(_NAMED, _TREE, flag("SubClass", "Whether it lies below another class.")),
    ),
    Block(
        "Department",
        "One row per department (location).",
        columns(
            _NAMED,
            _TREE,
            flag("SubDepartment", "Whether it lies below another department."),
            address("Address", "Address."),
        ),
    ),
    Block(
        "Term",
        "One row per payment term.",
        columns(
            _NAMED,
            text("Type", "STANDARD or DATE_DRIVEN."),
            whole("DueDays", "Days until payment is due."),
            whole("DiscountDays", "Days within which the discount holds."),
            number("DiscountPercent", "Discount in percent."),
            whole("DayOfMonthDue", "Day of the month on which payment is due."),
            whole("DueNextMonthDays", "Fewer days than these move it to the next month."),
            whole("DiscountDayOfMonth", "Day of the month until which the discount holds."),
        ),
    ),
    Block(
        "PaymentMethod",
        "One row per way of paying.",
        columns(_NAMED, text("Type", "CREDIT_CARD or NON_CREDIT_CARD.")),
    ),
    Block(
        "CompanyCurrency",
        "One row per currency in use.",
        columns(text("Code", "Code of ISO 4217."), _NAMED),
    ),
    Block("CustomerType", "One row per category of customers.", columns(_NAMED, _TREE)),
    Block(
        "JournalCode",
        "One row per journal (France).",
        columns(_NAMED, text("Type", "Kind of journal."), text("Description", "Description.")),
    ),
)
