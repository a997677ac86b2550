"""What is wrong, missing or different about reports is a switch."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ledgerguard_pipeline.sandbox.reports.cut import NOTICE
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW
from ledgerguard_pipeline_tests.sandbox.reports.asking import Reporter, rows, sides

MONTH = {"start_date": "2026-05-01", "end_date": "2026-05-31"}


@pytest.fixture(scope="module")
def reporter() -> Iterator[Reporter]:
    company = build_company(varied=True, invoices=40, now=NOW)
    with SandboxServer([company]) as sandbox:
        sandbox.set(limits=False)
        yield Reporter(sandbox)


def look(reporter: Reporter, **switches: Any) -> None:
    reporter.sandbox.set(reports=switches)


def texts(report: Any) -> str:
    return str(report["Rows"]) + str(report["Header"])


@pytest.mark.parametrize("cut", ["row", "header", "summary", "silent"])
def test_an_answer_over_the_limit_is_cut_inside_a_transaction_and_says_so_or_not(
    reporter: Reporter, cut: str
) -> None:
    look(reporter)
    whole = reporter.get("JournalReport", **MONTH)
    look(reporter, cell_limit=8 * 10, cut=cut)
    short = reporter.get("JournalReport", **MONTH)
    assert (NOTICE in texts(short)) == (cut != "silent")
    assert len(list(rows(short))) < len(list(rows(whole)))
    legs = [cells for cells in rows(short) if cells[1].get("id")]
    ids = [cells[1]["id"] for cells in legs]
    assert sum((sides(c) for c in legs if c[1]["id"] == ids[0]), Decimal(0)) == 0
    look(reporter, cell_limit=8 * 10, cut=cut, cut_at="transaction")
    between = reporter.get("JournalReport", **MONTH)
    assert sum(sides(c) for c in rows(between) if c[1].get("id")) == 0


def test_an_answer_over_the_limit_may_be_refused(reporter: Reporter) -> None:
    look(reporter, cell_limit=80, cut="fault")
    reply = reporter.ask("JournalReport", **MONTH)
    assert reply.status == 400
    assert reply.json["Fault"]["Error"][0]["code"] == "10100"


def test_long_windows_take_too_long(reporter: Reporter) -> None:
    look(reporter, slow_beyond_days=30)
    assert reporter.ask("JournalReport", **MONTH).status == 504
    reply = reporter.ask("JournalReport", start_date="2026-05-01", end_date="2026-05-30")
    assert reply.status == 200


def test_an_empty_body_is_injected_for_reports_alone(reporter: Reporter) -> None:
    look(reporter)
    reporter.sandbox.inject("empty_200", endpoint="reports", entity="TrialBalance")
    assert reporter.ask("JournalReport", **MONTH).body != b""
    reply = reporter.ask("TrialBalance", **MONTH)
    assert (reply.status, reply.body) == (200, b"")


def test_a_report_may_be_denied(reporter: Reporter) -> None:
    look(reporter, denied=["BalanceSheet"])
    reply = reporter.ask("BalanceSheet", **MONTH)
    assert reply.json["Fault"]["Error"][0]["code"] == "5020"


def test_shapes_differ_in_keys_repeated_metadata_and_rows_between(reporter: Reporter) -> None:
    look(reporter, shape="old", zeros="text")
    reply = reporter.ask("JournalReport", **MONTH)
    old = reply.json
    assert "v3modernresponse" not in reply.headers
    assert [each["ColType"] for each in old["Columns"]["Column"]][:2] == ["tx_date", "txn_type"]
    assert "MetaData" not in old["Columns"]["Column"][0]
    assert any(cells[0]["value"] == "0-00-00" for cells in rows(old))
    assert any(not any(cell["value"] for cell in cells) for cells in rows(old))
    look(reporter)
    reply = reporter.ask("JournalReport", **MONTH)
    assert reply.headers["v3modernresponse"] == "true"
    keys = [each["MetaData"][0]["Value"] for each in reply.json["Columns"]["Column"]]
    assert keys[:2] == ["tx_date", "txn_type"]
    assert all(cells[1]["id"] and cells[0]["value"] > "2026" for cells in rows(reply.json))


def test_cost_legs_come_later_than_the_sale(reporter: Reporter) -> None:
    company = next(iter(reporter.sandbox.world.companies.values()))
    _, id = next(company.stock.sales())
    window = {"start_date": "2025-01-01", "end_date": "2026-12-31"}

    def legs() -> int:
        report = reporter.get("JournalReport", **window)
        return sum(cells[1].get("id") == id for cells in rows(report))

    look(reporter)
    whole = legs()
    look(reporter, cost_delay_seconds=10.0**9)
    assert legs() == whole - len(company.stock.costs(("Invoice", id)))


def test_sections_of_a_general_ledger_may_carry_the_id_of_a_child_or_none(
    reporter: Reporter,
) -> None:
    window = {"start_date": "2026-01-01", "end_date": "2026-12-31"}

    def ids() -> dict[str, str | None]:
        report = reporter.get("GeneralLedger", **window)
        heads = [row["Header"]["ColData"][0] for row in report["Rows"]["Row"]]
        return {each["value"]: each.get("id") for each in heads}

    look(reporter)
    sound = ids()
    look(reporter, header_ids="child")
    quirk = ids()
    assert quirk["Landscaping Services"] == sound["Labour"]
    assert quirk["Labour"] is None
    look(reporter, header_ids="none")
    assert set(ids().values()) == {None}


def test_a_journal_without_dates_answers_nothing_and_bad_requests_are_refused(
    reporter: Reporter,
) -> None:
    look(reporter)
    report = reporter.get("JournalReport")
    assert {"Name": "NoReportData", "Value": "true"} in report["Header"]["Option"]
    assert reporter.ask("Nonsense").status == 400
    assert reporter.ask("TrialBalance", end_date="31.12.2026").status == 400
    assert reporter.ask("TrialBalance", accounting_method="Guess").status == 400
    both = {"date_macro": "Today", "end_date": "2026-01-01"}
    assert reporter.ask("TrialBalance", **both).status == 400
    reply = reporter.ask("TrialBalance", start_date="2026-02-01", end_date="2026-01-01")
    assert reply.status == 400


def test_legs_and_transactions_can_be_lost_on_purpose(reporter: Reporter) -> None:
    look(reporter)
    whole = list(rows(reporter.get("JournalReport", **MONTH)))
    kind, id = "Invoice", next(c[1]["id"] for c in whole if c[1]["value"] == "Invoice")
    look(reporter, dropped_legs=[[kind, id]])
    assert len(list(rows(reporter.get("JournalReport", **MONTH)))) == len(whole) - 1
    look(reporter, hidden=[[kind, id]])
    assert id not in {c[1]["id"] for c in rows(reporter.get("JournalReport", **MONTH))}


def test_what_no_entity_holds_is_booked_and_removed_by_command(reporter: Reporter) -> None:
    look(reporter)
    company = next(iter(reporter.sandbox.world.companies.values()))
    checking = company.ledger.balance("1")
    id = reporter.sandbox.post_ledger_only(
        "Payroll Check", date="2026-05-05", amount="12.34", debit="28", credit="1"
    )
    assert company.ledger.balance("1") == checking - Decimal("12.34")
    listed = {c[1]["id"]: c for c in rows(reporter.get("JournalReport", **MONTH))}
    assert listed[id][1]["value"] == "Payroll Check"
    reporter.sandbox.remove_ledger_only(id)
    assert company.ledger.balance("1") == checking
    assert id not in {c[1]["id"] for c in rows(reporter.get("JournalReport", **MONTH))}
    with pytest.raises(ValueError, match="no ledger-only transaction"):
        reporter.sandbox.remove_ledger_only(id)
    with pytest.raises(ValueError, match="two accounts"):
        reporter.sandbox.post_ledger_only(
            "Payroll Check", date="2026-05-05", amount="1", debit="nobody", credit="1"
        )


def test_voided_documents_may_keep_a_row_without_amounts(reporter: Reporter) -> None:
    window = {"start_date": "2025-01-01", "end_date": "2026-12-31"}
    look(reporter)
    shown = [c for c in rows(reporter.get("JournalReport", **window)) if not c[5]["value"]]
    look(reporter, void_rows="left_out")
    assert shown
    assert all(c[5]["value"] for c in rows(reporter.get("JournalReport", **window)))


def test_columns_by_month_name_their_days(reporter: Reporter) -> None:
    look(reporter)
    report = reporter.get(
        "ProfitAndLoss", start_date="2026-01-15", end_date="2026-03-10", summarize_column_by="Month"
    )
    spans = [
        {each["Name"]: each["Value"] for each in column["MetaData"]}
        for column in report["Columns"]["Column"][1:]
    ]
    assert [(each["StartDate"], each["EndDate"]) for each in spans] == [
        ("2026-01-15", "2026-01-31"),
        ("2026-02-01", "2026-02-28"),
        ("2026-03-01", "2026-03-10"),
    ]


def test_cash_basis_leaves_out_what_is_not_paid(reporter: Reporter) -> None:
    look(reporter)
    window = {"start_date": "2026-01-01", "end_date": "2026-12-31"}

    def income(basis: str) -> Decimal:
        report = reporter.get("ProfitAndLoss", accounting_method=basis, **window)
        assert report["Header"]["ReportBasis"] == basis
        row = next(row for row in report["Rows"]["Row"] if row.get("group") == "Income")
        return Decimal(row["Summary"]["ColData"][1]["value"])

    assert Decimal(0) < income("Cash") < income("Accrual")
