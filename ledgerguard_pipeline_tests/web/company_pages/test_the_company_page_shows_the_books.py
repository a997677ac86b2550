"""Books on the company page: green, red, never compared; with figures, differences and a chart."""

from __future__ import annotations

import re
from decimal import Decimal

from msgspec.structs import replace

from ledgerguard_pipeline.control.company_state.tie_outs import DifferenceLine
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.company_pages.month_chart import amount_text, month_chart
from ledgerguard_pipeline_tests.web import made_up_books as made_up
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge


def section(edge: Edge) -> str:
    answer = Browser(create_app(edge)).get(f"/companies/{realm(0)}")
    assert answer.status_code == 200, answer.text
    found = re.search(r'<section aria-labelledby="books">.*?</section>', answer.text, re.DOTALL)
    assert found
    return found.group(0)


def test_books_that_were_never_compared_say_what_to_do(edge: Edge) -> None:
    add(edge.control)
    shown = section(edge)
    assert "never compared" in shown
    assert "<code>ledgerguard tieout</code>" in shown
    assert "<svg" not in shown


def test_books_that_tie_out_show_both_figures_and_the_year(edge: Edge) -> None:
    add(edge.control)
    edge.control.tie_outs.compared(realm(0), made_up.tied_out(edge.control.now()))
    shown = section(edge)
    assert "Tied out" in shown
    assert shown.count("1,234,567.89") == 2
    assert shown.count("26,503.00") == 2
    assert "the same in all 12 months" in shown
    assert "Payroll" in shown
    assert "54,123.45" in shown
    assert "Differences</h3>" not in shown
    assert "4 today" in shown


def test_books_that_differ_name_what_and_lead_to_it(edge: Edge) -> None:
    add(edge.control)
    edge.control.tie_outs.compared(realm(0), made_up.broken(edge.control.now()))
    shown = section(edge)
    assert "Does not tie out" in shown
    assert "3 differences, 12.40 USD in all" in shown
    assert "1 of 12 months differ" in shown
    assert "≠" in shown
    company = f"deeplinkcompanyid={realm(0)}"
    address = "https://sandbox.qbo.intuit.com/app/login?pagereq="
    assert f"{address}invoice%3FtxnId%3D72&amp;{company}" in shown
    assert f"{address}register%3FaccountId%3D90&amp;{company}" in shown
    assert "/assets/qbo/bronze/invoice" in shown
    assert "Board of Equalization Payable 0" in shown


def test_a_warning_is_shown_and_breaks_nothing(edge: Edge) -> None:
    add(edge.control)
    now = edge.control.now()
    message = "Account 35 Checking, 2026-11-30: journal 7.00, its row 6.00, difference 1.00."
    warning = DifferenceLine(
        "L5", now.date(), "Checking", Decimal(7), Decimal(6), Decimal(1), "old_balance", "", message
    )
    explained = replace(warning, kind="payroll", message="Pay is not shown one by one.")
    books = replace(made_up.tied_out(now), differences=(warning, explained))
    edge.control.tie_outs.compared(realm(0), books)
    shown = section(edge)
    assert "Tied out" in shown
    assert message in shown
    assert "one by one" not in shown
    assert "Differences</h3>" not in shown


def test_what_could_not_be_compared_is_never_called_tied_out(edge: Edge) -> None:
    add(edge.control)
    control = edge.control
    control.tie_outs.compared(realm(0), made_up.tied_out(control.now()))
    evil = "<script>alert(1)</script>"
    control.tie_outs.compared(realm(0), made_up.not_compared(control.now(), evil))
    shown = section(edge)
    assert "Not compared" in shown
    assert "Tied out" not in shown
    assert "Everything agreed last" in shown
    assert "<script" not in shown


def test_a_comparison_that_was_left_out_says_why(edge: Edge) -> None:
    add(edge.control)
    edge.control.tie_outs.left_out(realm(0), "Skipped.")
    assert "never compared" in section(edge)
    edge.control.tie_outs.compared(realm(0), made_up.tied_out(edge.control.now()))
    edge.control.tie_outs.left_out(realm(0), "Comparing the books is skipped: 96 % are used.")
    assert "96 % are used" in section(edge)


def test_bars_of_losses_hang_below_the_line_and_none_leaves_the_chart() -> None:
    chart = month_chart(made_up.months(differing=True))
    assert chart is not None
    for each in chart.months:
        for bar in (each.ours, each.theirs):
            assert bar is not None
            assert 0 <= bar.x <= bar.x + bar.width <= chart.width
            assert 0 <= bar.y <= bar.y + bar.height <= chart.height
        below = each.ours.y >= chart.zero - 1
        assert below == each.ours_text.startswith("-") or each.ours_text == "0.25"
    assert [each.name for each in chart.months if each.differs] == ["July 2026"]
    assert month_chart(()) is None


def test_an_amount_shows_every_digit() -> None:
    assert amount_text(Decimal("-1234567.8")) == "-1,234,567.80"
    assert amount_text(Decimal("12345678901234567890.0000000001")) == (
        "12,345,678,901,234,567,890.0000000001"
    )
