"""A report that Intuit cut is known for one, in every form that was seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledgerguard_pipeline.reports.cut import CELL_LIMIT, why_cut
from ledgerguard_pipeline.reports.shape import read_shape

KEYS = ("tx_date", "txn_type", "doc_num", "name", "memo", "account_name", "debt_amt", "credit_amt")
NOTICE = "Unable to display more data. Please reduce the date range."


def leg(id: str, debit: str = "", credit: str = "", memo: str = "") -> dict[str, Any]:
    values = ["2026-01-01", "Invoice", "", "", memo, "Sales", debit, credit]
    cells = [{"value": value} for value in values]
    cells[1] |= {"id": id}
    cells[5] |= {"id": "9"}
    return {"ColData": cells, "type": "Data"}


def closing(text: str = "", amount: str = "5.00") -> dict[str, Any]:
    cells = [{"value": text}, *({"value": ""} for _ in range(5)), *[{"value": amount}] * 2]
    return {"type": "Section", "Summary": {"ColData": cells}}


def alone(text: str) -> dict[str, Any]:
    return {"ColData": [{"value": text}, *({"value": ""} for _ in KEYS[1:])], "type": "Data"}


def transaction(id: str, memo: str = "") -> list[dict[str, Any]]:
    return [leg(id, "5.00", memo=memo), leg(id, credit="5.00"), closing()]


def journal(rows: list[dict[str, Any]], end: str = "2026-01-31", **header: Any) -> str | None:
    columns = [{"ColTitle": key, "ColType": key} for key in KEYS]
    given = {"ReportName": "JournalReport", "StartPeriod": "2026-01-01", "EndPeriod": end, **header}
    body = {"Header": given, "Columns": {"Column": columns}, "Rows": {"Row": rows}}
    return why_cut(read_shape(json.dumps(body).encode()))


WHOLE = [*transaction("1"), *transaction("2")]
TOTAL = closing("TOTAL", "10.00")


def test_a_whole_report_is_not_cut() -> None:
    assert journal([*WHOLE, TOTAL]) is None
    assert journal([]) is None


@pytest.mark.parametrize(
    "notice",
    [
        NOTICE,
        "Impossible d'afficher plus de données.",
        "No se pueden mostrar más datos. Reduzca el rango.",
        "UNABLE TO DISPLAY MORE DATA",
    ],
)
def test_a_notice_in_a_row_or_a_summary_is_found_in_any_language_seen(notice: str) -> None:
    assert "a row says" in str(journal([*WHOLE, alone(notice)]))
    assert "a row says" in str(journal([*WHOLE, closing(notice, "")]))


def test_a_notice_in_the_header_is_found() -> None:
    options = [{"Name": "NoReportData", "Value": "false"}, {"Name": "Warning", "Value": NOTICE}]
    assert "header" in str(journal([*WHOLE, TOTAL], Option=options))


def test_a_memo_with_the_same_words_is_no_notice() -> None:
    assert journal([*transaction("1", memo=NOTICE), *transaction("2"), TOTAL]) is None


def test_the_middle_of_a_transaction_is_no_end() -> None:
    assert journal([*WHOLE, leg("3", "5.00")]) == (
        "the debits and credits of its last transaction differ"
    )
    balanced = [*WHOLE, leg("3", "5.00"), leg("3", credit="5.00")]
    assert journal(balanced) == "its last transaction is not closed"


def test_an_end_between_two_transactions_is_known_by_the_missing_total() -> None:
    assert "no total" in str(journal(WHOLE))


def test_a_single_day_without_a_total_counts_while_it_is_far_from_the_limit() -> None:
    assert journal(WHOLE, end="2026-01-01") is None
    many = transaction("1") * (CELL_LIMIT // (3 * len(KEYS)))
    assert "no total" in str(journal(many, end="2026-01-01"))


def test_releases_that_close_no_transaction_are_read_too() -> None:
    rows = [row for row in [*transaction("1"), *transaction("2")] if "ColData" in row]
    assert journal(rows) is None
    assert "differ" in str(journal(rows[:-1]))


def other(name: str, rows: list[dict[str, Any]], width: int = 2) -> str | None:
    columns = [{"ColTitle": "", "ColType": "Account"}, *[{"ColType": "Money"}] * (width - 1)]
    body = {"Header": {"ReportName": name}, "Columns": {"Column": columns}, "Rows": {"Row": rows}}
    return why_cut(read_shape(json.dumps(body).encode()))


def test_a_section_that_does_not_end_shows_a_cut_of_a_statement() -> None:
    head = {"ColData": [{"value": "Income"}, {"value": ""}]}
    section = {"Header": head, "Rows": {}, "Summary": head, "type": "Section"}
    assert other("ProfitAndLoss", [section]) is None
    del section["Summary"]
    assert other("ProfitAndLoss", [section]) == "its section 'Income' does not end"


def test_a_list_about_as_long_as_the_limit_is_taken_for_cut() -> None:
    row = {"ColData": [{"value": "x"}] * 1000}
    assert other("TransactionList", [row] * 100, 1000) is None
    assert "as many as fit" in str(other("TransactionList", [row] * 399, 1000))
