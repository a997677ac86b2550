"""The chart of accounts of the sandbox's landscaping company."""

from __future__ import annotations

from typing import NamedTuple

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, USD, Desk, ref
from ledgerguard_pipeline.sandbox.books.json_text import Doc


class _Line(NamedTuple):
    role: str
    name: str
    kind: str
    subtype: str
    parent: str = ""
    active: bool = True


_CLASSES = {
    "Bank": "Asset",
    "Accounts Receivable": "Asset",
    "Other Current Asset": "Asset",
    "Fixed Asset": "Asset",
    "Accounts Payable": "Liability",
    "Credit Card": "Liability",
    "Other Current Liability": "Liability",
    "Long Term Liability": "Liability",
    "Equity": "Equity",
    "Income": "Revenue",
    "Other Income": "Revenue",
    "Cost of Goods Sold": "Expense",
    "Expense": "Expense",
    "Other Expense": "Expense",
}

_ACCOUNTS: tuple[_Line, ...] = (
    _Line("checking", "Checking", "Bank", "Checking"),
    _Line("savings", "Savings", "Bank", "Savings"),
    _Line("cash", "Cash on hand", "Bank", "CashOnHand"),
    _Line("vault", "Trust account: Ünïcödé 信託", "Bank", "TrustAccounts"),
    _Line("receivable", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable"),
    _Line("undeposited", "Undeposited Funds", "Other Current Asset", "UndepositedFunds"),
    _Line("inventory", "Inventory Asset", "Other Current Asset", "Inventory"),
    _Line("prepaid", "Prepaid Expenses", "Other Current Asset", "PrepaidExpenses"),
    _Line("truck", "Truck", "Fixed Asset", "Vehicles"),
    _Line("truck_cost", "Original Cost", "Fixed Asset", "Vehicles", "truck"),
    _Line("truck_wear", "Depreciation", "Fixed Asset", "AccumulatedDepreciation", "truck"),
    _Line("payable", "Accounts Payable (A/P)", "Accounts Payable", "AccountsPayable"),
    _Line("card", "Mastercard", "Credit Card", "CreditCard"),
    _Line("visa", "Visa", "Credit Card", "CreditCard"),
    _Line(
        "sales_tax", "Board of Equalization Payable", "Other Current Liability", "GlobalTaxPayable"
    ),
    _Line(
        "oddities", "Suspense (odd amounts)", "Other Current Liability", "OtherCurrentLiabilities"
    ),
    _Line("loan", "Notes Payable", "Long Term Liability", "NotesPayable"),
    _Line("opening", "Opening Balance Equity", "Equity", "OpeningBalanceEquity"),
    _Line("retained", "Retained Earnings", "Equity", "RetainedEarnings"),
    _Line("design_income", "Design Income", "Income", "ServiceFeeIncome"),
    _Line("garden_income", "Landscaping Services", "Income", "ServiceFeeIncome"),
    _Line("labour_income", "Labour", "Income", "ServiceFeeIncome", "garden_income"),
    _Line("material_income", "Job Materials", "Income", "SalesOfProductIncome", "garden_income"),
    _Line("pest_income", "Pest Control Services", "Income", "ServiceFeeIncome"),
    _Line("product_income", "Sales of Product Income", "Income", "SalesOfProductIncome"),
    _Line("interest_income", "Interest Earned", "Other Income", "InterestEarned"),
    _Line("cogs", "Cost of Goods Sold", "Cost of Goods Sold", "SuppliesMaterialsCogs"),
    _Line("shrinkage", "Inventory Shrinkage", "Cost of Goods Sold", "SuppliesMaterialsCogs"),
    _Line("expense_ads", "Advertising", "Expense", "AdvertisingPromotional"),
    _Line("expense_auto", "Automobile", "Expense", "Auto"),
    _Line("expense_fuel", "Fuel", "Expense", "Auto", "expense_auto"),
    _Line("expense_bank", "Bank Charges", "Expense", "BankCharges"),
    _Line("expense_meals", "Meals & Entertainment", "Expense", "EntertainmentMeals"),
    _Line("expense_rent", "Rent or Lease", "Expense", "RentOrLeaseOfBuildings"),
    _Line("expense_office", "Office Expenses", "Expense", "OfficeGeneralAdministrativeExpenses"),
    _Line("expense_tools", "Job Materials 'small tools'", "Expense", "SuppliesMaterials"),
    _Line("expense_phone", "Telephone", "Expense", "Utilities"),
    _Line("expense_wear", "Depreciation Expense", "Other Expense", "Depreciation"),
    _Line("old_bank", "Old Checking (deleted)", "Bank", "Checking", active=False),
    _Line(
        "old_cost", "Misc Costs (deleted)", "Expense", "OtherMiscellaneousServiceCost", active=False
    ),
)


def open_accounts(desk: Desk) -> None:
    """Open every account at the start of the books; one duplicate was merged away since."""
    company = desk.company
    company.reserve("Account added", 1_150_040_001)
    names: dict[str, str] = {}
    for index, line in enumerate(_ACCOUNTS):
        # As captured: what QuickBooks added itself has ids far above, and later ones are low again.
        id = company.new_id("Account added" if line.role.startswith("expense_") else "Account")
        parent = desk.accounts.get(line.parent)
        full = f"{names[line.parent]}:{line.name}" if parent else line.name
        names[line.role] = full
        desk.accounts[line.role] = ref(id, full)
        doc: Doc = {
            "Name": line.name,
            "SubAccount": parent is not None,
            **({"ParentRef": {"value": parent["value"]}} if parent else {}),
            "FullyQualifiedName": full,
            "Active": line.active,
            "Classification": _CLASSES[line.kind],
            "AccountType": line.kind,
            "AccountSubType": line.subtype,
            "CurrencyRef": USD,
        }
        if parent:
            company.chart.parents["Account", id] = parent["value"]
        if line.role.startswith("expense_"):
            desk.expenses.append(desk.accounts[line.role])
        created = desk.start + index // 12
        desk.wait(
            "Account",
            id,
            doc,
            created,
            token=0 if line.active else 1,
            updated=created if line.active else desk.end - DAY * 40,
        )
    desk.bury("Account", company.new_id("Account"), desk.end - DAY * 12)
    chart = company.chart
    chart.receivable = desk.accounts["receivable"]["value"]
    chart.payable = desk.accounts["payable"]["value"]
    chart.checking = desk.accounts["checking"]["value"]
    chart.undeposited = desk.accounts["undeposited"]["value"]
    chart.sales_tax = desk.accounts["sales_tax"]["value"]
    chart.inventory = desk.accounts["inventory"]["value"]
