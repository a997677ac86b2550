"""The company itself: its card, settings, budgets, exchange rates and attached files."""

from __future__ import annotations

import hashlib

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, Desk
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time

_ADDRESS: Doc = {
    "Id": "1",
    "Line1": "123 Sierra Way",
    "City": "San Pablo",
    "Country": "USA",
    "CountrySubDivisionCode": "CA",
    "PostalCode": "87999",
}


def write_company_info(desk: Desk) -> None:
    """The one CompanyInfo, with the name-value list that tells edition and subscription."""
    facts = {
        "NeoEnabled": "true",
        "IndustryType": "Landscaping Services",
        "IndustryCode": "56173",
        "SubscriptionStatus": "PAID",
        "OfferingSku": "QuickBooks Online Plus",
        "PayrollFeature": "false",
        "AccountantFeature": "false",
        "QBOIndustryType": "Landscaping",
        "ItemCategoriesFeature": "true",
        "AssignedTime": write_time(desk.start),
    }
    desk.put(
        "CompanyInfo",
        "1",
        {
            "CompanyName": desk.company.name,
            "LegalName": f"{desk.company.name}, LLC",
            "CompanyAddr": _ADDRESS,
            "CustomerCommunicationAddr": _ADDRESS,
            "LegalAddr": _ADDRESS,
            "CustomerCommunicationEmailAddr": {"Address": "office@example.com"},
            "PrimaryPhone": {"FreeFormNumber": "(650)944-4444"},
            "EmployerId": "123456789",
            "CompanyStartDate": day_text(desk.start),
            "FiscalYearStartMonth": "January",
            "Country": "US",
            "Email": {"Address": "office@example.com"},
            "WebAddr": {},
            "SupportedLanguages": "en",
            "DefaultTimeZone": "America/Los_Angeles",
            "NameValue": [{"Name": name, "Value": value} for name, value in facts.items()],
        },
        desk.start,
        updated=desk.end - DAY * 45,
        token=4,
    )


def write_preferences(desk: Desk) -> None:
    """The one Preferences object, with the nested custom fields of the real one."""
    forms = {
        "Subject": f"Invoice from {desk.company.name}",
        "Message": "Your invoice is attached.\nThank you: we appreciate it.",
    }
    desk.put(
        "Preferences",
        "1",
        {
            "AccountingInfoPrefs": {
                "UseAccountNumbers": False,
                "TrackDepartments": True,
                "ClassTrackingPerTxn": False,
                "ClassTrackingPerTxnLine": True,
                "DepartmentTerminology": "Location",
                "CustomerTerminology": "Customers",
                "FirstMonthOfFiscalYear": "January",
                "TaxYearMonth": "January",
            },
            "ProductAndServicesPrefs": {
                "ForSales": True,
                "ForPurchase": True,
                "QuantityWithPriceAndRate": True,
                "QuantityOnHand": True,
            },
            "SalesFormsPrefs": {
                "CustomField": [
                    {
                        "CustomField": [
                            {
                                "Name": "SalesFormsPrefs.UseSalesCustom1",
                                "Type": "BooleanType",
                                "BooleanValue": True,
                            }
                        ]
                    },
                    {
                        "CustomField": [
                            {
                                "Name": "SalesFormsPrefs.SalesCustomName1",
                                "Type": "StringType",
                                "StringValue": "Crew #",
                            }
                        ]
                    },
                ],
                "AllowDeposit": True,
                "AllowDiscount": True,
                "AllowEstimates": True,
                "DefaultTerms": {"value": "3"},
                "AutoApplyCredit": True,
                "DefaultCustomerMessage": "Thank you for your business and have a great day!",
            },
            "EmailMessagesPrefs": {"InvoiceMessage": forms, "EstimateMessage": forms},
            "VendorAndPurchasesPrefs": {
                "TrackingByCustomer": True,
                "BillableExpenseTracking": True,
            },
            "TimeTrackingPrefs": {
                "UseServices": True,
                "BillCustomers": True,
                "WorkWeekStartDate": "Monday",
            },
            "TaxPrefs": {"UsingSalesTax": True, "TaxGroupCodeRef": {"value": "2"}},
            "CurrencyPrefs": {"MultiCurrencyEnabled": True, "HomeCurrency": {"value": "USD"}},
            "ReportPrefs": {"ReportBasis": "Accrual", "CalcAgingReportFromTxnDate": False},
            "OtherPrefs": {
                "NameValue": [
                    {"Name": "SalesFormsPrefs.DefaultItem", "Value": "1"},
                    {"Name": "TermsOfService.Odd", "Value": "1E+2"},
                ]
            },
        },
        desk.start,
        updated=desk.end - DAY * 4,
        token=6,
    )


def write_budgets(desk: Desk) -> None:
    """Three budgets of twelve months; one inactive."""
    for index in range(3):
        year = int(day_text(desk.start)[:4]) + index
        active = index != 2
        at = desk.start + DAY * (10 + index * 200)
        desk.enlist(
            "Budget",
            {
                "Name": f"Plan {year}: «P&L»" + ("" if active else " (deleted)"),
                "StartDate": f"{year}-01-01",
                "EndDate": f"{year}-12-31",
                "BudgetType": "ProfitAndLoss",
                "BudgetEntryType": "Monthly",
                "Active": active,
                "BudgetDetail": [
                    {
                        "BudgetDate": f"{year}-{month:02d}-01",
                        "Amount": money(month * 10_010),
                        "AccountRef": desk.expenses[month % len(desk.expenses)],
                    }
                    for month in range(1, 13)
                ],
            },
            at,
            active=active,
            token=int(not active),
            updated=at if active else desk.end - DAY * 14,
        )


def write_rates(desk: Desk) -> None:
    """Exchange rates without Id, SyncToken or CreateTime, as captured; keyed by pair and date."""
    rates = {"EUR": "1.11355", "GBP": "1.310264", "JPY": "0.009136", "VND": "4.3e-05"}
    for days in (400, 200, 90, 40, 20, 10, 5, 2, 1):
        at = desk.end - DAY * days
        for source, rate in rates.items():
            text = rate if days % 3 else rate.replace("1", "2", 1)
            desk.put_bare(
                "ExchangeRate",
                f"{source}/USD/{day_text(at)}",
                {
                    "SourceCurrencyCode": source,
                    "TargetCurrencyCode": "USD",
                    "Rate": Num(text),
                    "AsOfDate": day_text(at),
                    "MetaData": {"LastUpdatedTime": write_time(at)},
                },
                at,
            )


def write_attachables(desk: Desk) -> None:
    """Files and notes on documents; ``showing.py`` signs the download address anew each time."""
    company = desk.company
    purchases = list(company.tables["Purchase"].rows)
    company.reserve("Attachable", 5_000_000_000_000_361_802)
    for index in range(32):
        at = desk.moment(index, 32, 37)
        id = company.new_id("Attachable")
        link = [
            {
                "EntityRef": {"type": "Purchase", "value": purchases[index * 4 % len(purchases)]},
                "IncludeOnSend": False,
            }
        ]
        if index % 4 == 3:
            desk.put(
                "Attachable", id, {"Note": f"Scan, página {index} 📎", "AttachableRef": link}, at
            )
            continue
        name = f"Quittung №{index} (Größe).pdf"
        desk.put(
            "Attachable",
            id,
            {
                "FileName": name,
                "FileAccessUri": f"/v3/company/{company.realm_id}/download/{id}",
                "TempDownloadUri": temporary_address(company.realm_id, id, at),
                "Size": Num(str(1_614 + index * 97)),
                "ContentType": "application/pdf",
                "AttachableRef": link,
                "Tag": ZERO if index == 4 else "receipt",
            },
            at,
        )


def temporary_address(realm_id: str, id: str, at: int) -> str:
    """A pre-signed looking address that depends on the object alone, for the switch ``fixed``."""
    signature = hashlib.sha256(f"{realm_id}/{id}/{at}".encode()).hexdigest()[:40]
    return (
        f"https://sandbox-quickbooks.api.intuit.com/download/{realm_id}/{id}"
        f"?Expires={at + 900}&Signature={signature}"
    )
