"""A report's parameters are checked before anything is sent, with errors that say what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.reports.parameters import CHECKS
from ledgerguard_pipeline.reports.types import REPORTS, report_request, report_type

MONTH = {"start_date": "2026-10-01", "end_date": "2026-10-31"}


def test_the_basis_is_always_sent_and_accrual_unless_asked() -> None:
    request = report_request("TrialBalance", MONTH)
    assert request.params == {**MONTH, "accounting_method": "Accrual"}
    assert report_request("BalanceSheet", {**MONTH, "accounting_method": "cash"}).basis == "Cash"
    assert report_request("JournalReport", MONTH).basis is None


def test_dates_may_be_dates_datetimes_or_texts() -> None:
    days = {"start_date": date(2026, 10, 1), "end_date": datetime(2026, 10, 31, 9, tzinfo=UTC)}
    request = report_request("JournalReport", days)
    assert request.params == MONTH
    assert (request.start, request.end) == (date(2026, 10, 1), date(2026, 10, 31))


def test_names_are_found_in_the_spelling_of_the_command_line_too() -> None:
    assert report_type("trial-balance").name == "TrialBalance"
    assert report_type("profit_and_loss").name == "ProfitAndLoss"
    with pytest.raises(BadInputError, match="Did you mean TrialBalance"):
        report_type("TrialBalanc")


def test_a_report_is_found_by_its_name_and_by_what_intuit_calls_it() -> None:
    assert report_type("CustomerSales") is report_type("sales-by-customer")
    assert report_type("account-list").name == "AccountListDetail"
    with pytest.raises(BadInputError, match="Did you mean SalesByProduct"):
        report_type("ItemsSales")
    names = [name for each in REPORTS for name in {each.name, each.path}]
    assert len(names) == len(set(names))


def test_ids_and_columns_may_be_lists() -> None:
    request = report_request(
        "GeneralLedger", {"account": [35, "36"], "columns": ("tx_date", "txn_type"), "class_": "7"}
    )
    assert request.params["account"] == "35,36"
    assert request.params["columns"] == "tx_date,txn_type"
    assert request.params["class"] == "7"


@pytest.mark.parametrize(
    "name, given, words",
    [
        ("TrialBalance", {"account": "35"}, "no parameter 'account'; it takes accounting_method"),
        ("JournalReport", {**MONTH, "accounting_method": "Cash"}, "no parameter"),
        ("JournalReport", {"start_date": "2026-10-01"}, "needs end_date"),
        ("TrialBalance", {}, "needs start_date and end_date"),
        ("TaxSummary", MONTH, "needs agency_id"),
        ("TrialBalance", {**MONTH, "date_macro": "Today"}, "not for both"),
        (
            "TransactionList",
            {**MONTH, "moddate_macro": "Today", "start_moddate": "2026-10-01"},
            "a moddate_macro or for dates, not for both",
        ),
        (
            "TransactionList",
            {**MONTH, "start_moddate": "2026-10-02", "end_moddate": "2026-10-01"},
            "span of start_moddate and end_moddate of TransactionList ends",
        ),
        ("TrialBalance", {**MONTH, "end_date": "31.10.2026"}, "write a date as in 2026-10-31"),
        ("TrialBalance", {**MONTH, "accounting_method": "Guess"}, "one of Accrual, Cash"),
        (
            "TrialBalance",
            {"start_date": "2026-11-01", "end_date": "2026-10-31"},
            "before it starts",
        ),
        ("GeneralLedger", {"account": "35; DROP"}, "it is an id"),
        ("GeneralLedger", {"columns": "Date,Amount"}, "list of column keys"),
        ("AgedReceivables", {"num_periods": "many"}, "whole number"),
        ("ProfitAndLoss", {"qzurl": "perhaps"}, "true or false"),
        ("TransactionList", {"memo": "a\nb"}, "short text"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(
    name: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        report_request(name, given)


def test_a_macro_stands_for_the_dates() -> None:
    request = report_request("JournalReport", {"date_macro": "Last Month"})
    assert (request.start, request.end, request.divisible) == (None, None, False)


def test_only_lists_of_transactions_over_several_days_can_be_halved() -> None:
    assert report_request("JournalReport", MONTH).divisible
    assert not report_request("TrialBalance", MONTH).divisible
    day = {"start_date": "2026-10-01", "end_date": "2026-10-01"}
    assert not report_request("JournalReport", day).divisible


DOCUMENTED = {
    "AgedReceivables": "customer qzurl date_macro aging_method report_date sort_order department",
    "AgedPayables": "customer qzurl vendor date_macro department report_date sort_order aging_method",
    "AgedReceivableDetail": "customer shipvia term report_date start_duedate end_duedate aging_method",
    "AgedPayableDetail": "shipvia term start_duedate end_duedate accounting_method report_date vendor",
    "TransactionList": "qzurl sort_order payment_method arpaid source_account_type customer name",
    "TransactionListByCustomer": "qzurl sort_order payment_method arpaid source_account_type customer",
    "TransactionListByVendor": "qzurl sort_order payment_method arpaid source_account_type name",
    "ProfitAndLossDetail": "customer account accounting_method end_date date_macro adjusted_gain_loss "
    "class sort_by payment_method sort_order employee department vendor account_type start_date columns",
    "AccountListDetail": "account_type start_moddate moddate_macro end_date end_moddate account_status "
    "createdate_macro sort_order sort_by start_date columns",
    "InventoryValuationSummary": "qzurl date_macro item report_date sort_order summarize_column_by",
    "CustomerBalance": "customer accounting_method date_macro arpaid report_date sort_order "
    "summarize_column_by department",
    "CustomerBalanceDetail": "customer accounting_method date_macro arpaid report_date sort_order "
    "summarize_column_by department",
    "VendorBalance": "qzurl accounting_method date_macro appaid report_date sort_order "
    "summarize_column_by department vendor",
    "VendorBalanceDetail": "term accounting_method date_macro appaid report_date duedate_macro sort_by "
    "start_duedate end_duedate sort_order department vendor columns",
}
"""What Intuit's page of each report lists."""


@pytest.mark.parametrize("name", DOCUMENTED)
def test_everything_that_a_reports_page_lists_can_be_asked(name: str) -> None:
    listed = set(DOCUMENTED[name].split())
    assert listed - report_type(name).takes == set()
    request = report_request(name, {})
    assert (request.basis == "Accrual") == ("accounting_method" in listed)


def test_every_parameter_of_every_report_has_a_check() -> None:
    assert {name for report in REPORTS for name in report.takes} == set(CHECKS)
    assert len(REPORTS) == len({report.name for report in REPORTS}) == 29
