"""Reports over HTTP: read in both shapes, never half, and in parts where they are too long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledgerguard_pipeline.errors import (
    AccessDenied,
    AnswerTooBig,
    BadInputError,
    FeatureUnavailable,
    ReportCut,
    RequestRejected,
    ServiceUnavailable,
)
from ledgerguard_pipeline.qbo.answers.report import ReportAnswer
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.reporting import windows
from ledgerguard_pipeline.qbo.transport.retry import RetryPolicy
from ledgerguard_pipeline.reports.balances import read_aging, read_trial_balance
from ledgerguard_pipeline.reports.journal import exact_sum, read_journal
from ledgerguard_pipeline.reports.statement import read_statement
from ledgerguard_pipeline.reports.transactions import read_transactions
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, reply

NOW = 1_795_300_000
YEARS: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2026-12-31"}
LOOKS: tuple[dict[str, Any], ...] = (
    {"shape": "modern"},
    {"shape": "modern", "order": "shuffled", "language": "fr", "zeros": "text"},
    {"shape": "old", "zeros": "text", "header_ids": "child"},
    {"shape": "old", "order": "shuffled", "language": "fr", "header_ids": "none"},
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    company = build_company(varied=True, invoices=30, now=NOW)
    with SandboxServer([company]) as server:
        server.set(limits=False)
        yield server


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[QBOClient]:
    sandbox.set(reports={})
    sandbox.clear_faults()
    tokens = sandbox.issue_tokens()[0]
    with QBOClient(
        sandbox.client_id,
        sandbox.client_secret,
        "http://localhost:8000/api/v1/auth/callback",
        "sandbox",
        base_url=sandbox.base_url,
        realm_id=sandbox.realm_id,
        policy=RetryPolicy(first_wait=0.001, longest_wait=0.002),
    ) as made:
        made.set_tokens(tokens.access_token, tokens.refresh_token)
        yield made


def books(sandbox: SandboxServer) -> SandboxCompany:
    return next(iter(sandbox.world.companies.values()))


def balances(answers: list[ReportAnswer]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for answer in answers:
        for each in read_journal(answer.report).transactions:
            for leg in each.legs:
                sums[leg.account_id] = exact_sum((sums[leg.account_id], leg.amount))
    return {id: amount for id, amount in sums.items() if amount}


def in_the_ledger(sandbox: SandboxServer) -> dict[str, Decimal]:
    return {id: amount for id, amount in books(sandbox).ledger.accounts.items() if amount}


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(look.values()))
def test_both_shapes_are_read_by_keys_and_ids(
    sandbox: SandboxServer, client: QBOClient, look: dict[str, Any]
) -> None:
    sandbox.set(reports=look)
    company = books(sandbox)
    journal = client.report("JournalReport", **YEARS)
    reading = read_journal(journal.report)
    assert balances([journal]) == in_the_ledger(sandbox)
    assert all(each.difference == 0 for each in reading.transactions)
    assert reading.total_debit is not None
    assert reading.faults() == []
    trial = read_trial_balance(client.report("TrialBalance", **YEARS).report)
    assert trial.faults() == []
    at = {"report_date": "2026-12-31"}
    owed = read_aging(client.report("AgedReceivables", **at).report)
    ids = [company.chart.receivable, *company.chart.receivables.values()]
    assert owed.total == sum(company.ledger.balance(id) for id in ids)
    assert owed.total == sum(each.total for each in owed.parties)
    sheet = read_statement(client.report("BalanceSheet", **YEARS).report)
    assert sheet.totals["TotalAssets"] == sheet.totals["TotalLiabilitiesAndEquity"]
    listed = read_transactions(client.report("TransactionList", **YEARS).report)
    posted = {each.id for each in reading.transactions}
    assert posted <= {each.id for each in listed}


def test_the_bytes_are_as_sent_and_the_call_is_known_by_its_id(
    sandbox: SandboxServer, client: QBOClient
) -> None:
    sandbox.pop_log()
    answer = client.report("trial-balance", **YEARS)
    assert answer.payload.startswith(b'{"Header":{"Time":"')
    (call,) = sandbox.pop_log()
    assert answer.request_id == call.tid
    assert "accounting_method=Accrual" in call.target
    assert client.stats.metered_calls == 1


@pytest.mark.parametrize("cut", ["row", "header", "summary", "silent"])
@pytest.mark.parametrize("cut_at", ["cell", "transaction"])
def test_a_cut_report_is_an_error_and_its_bytes_are_evidence(
    sandbox: SandboxServer, client: QBOClient, cut: str, cut_at: str
) -> None:
    sandbox.set(reports={"cell_limit": 500, "cut": cut, "cut_at": cut_at})
    with pytest.raises(ReportCut, match="2025-01-01 to 2026-12-31") as caught:
        client.report("JournalReport", **YEARS)
    assert isinstance(caught.value.answer, ReportAnswer)
    assert caught.value.answer.payload
    assert caught.value.intuit_tid == caught.value.answer.request_id


@pytest.mark.parametrize("cut", ["row", "silent", "fault"])
def test_windows_are_halved_until_every_part_is_whole(
    sandbox: SandboxServer, client: QBOClient, cut: str
) -> None:
    sandbox.set(reports={"cell_limit": 4_000, "cut": cut})
    rejected: list[ReportAnswer] = []
    answers = list(client.report_windows("JournalReport", rejected=rejected.append, **YEARS))
    assert balances(answers) == in_the_ledger(sandbox)
    days = [(each.request.start, each.request.end) for each in answers]
    assert days == sorted(days)
    assert len(days) > 4
    assert bool(rejected) == (cut != "fault")
    assert all(each.cut for each in rejected)


def test_windows_that_take_too_long_are_halved_too(
    sandbox: SandboxServer, client: QBOClient
) -> None:
    sandbox.set(reports={"slow_beyond_days": 140})
    answers = list(client.report_windows("JournalReport", **YEARS))
    assert balances(answers) == in_the_ledger(sandbox)
    days = [
        (each.request.end - each.request.start).days
        for each in answers
        if each.request.start and each.request.end
    ]
    assert len(days) == len(answers)
    assert max(days) < 140


def test_a_single_day_that_does_not_fit_is_named(sandbox: SandboxServer, client: QBOClient) -> None:
    sandbox.set(reports={"cell_limit": 20})
    with pytest.raises(ReportCut, match="single day 20"):
        list(client.report_windows("JournalReport", **YEARS))
    sandbox.set(reports={"slow_beyond_days": 0})
    day: dict[str, Any] = {"start_date": "2026-05-05", "end_date": "2026-05-05"}
    with pytest.raises(ReportCut, match="single day 2026-05-05"):
        list(client.report_windows("JournalReport", **day))


def test_a_balance_cannot_be_asked_for_in_windows(client: QBOClient) -> None:
    with pytest.raises(BadInputError, match="cannot be asked for in windows"):
        list(client.report_windows("TrialBalance", **YEARS))


def test_a_long_window_is_asked_for_in_spans_of_six_months() -> None:
    assert list(windows(date(2025, 3, 15), date(2026, 1, 10), 6)) == [
        (date(2025, 3, 15), date(2025, 8, 31)),
        (date(2025, 9, 1), date(2026, 1, 10)),
    ]
    day = date(2026, 1, 1)
    assert list(windows(day, day, 6)) == [(day, day)]


@pytest.mark.parametrize(
    "fault", ["empty_200", "html_200", "cut_json", "truncated", "error_504_html", "fault_in_200"]
)
def test_bad_answers_are_asked_for_again(
    sandbox: SandboxServer, client: QBOClient, fault: str
) -> None:
    sandbox.inject(fault, endpoint="reports", next=2)
    trial = read_trial_balance(client.report("TrialBalance", **YEARS).report)
    assert trial.faults() == []


def test_a_report_that_stays_empty_is_an_error(sandbox: SandboxServer, client: QBOClient) -> None:
    sandbox.inject("empty_200", endpoint="reports", next=99)
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        client.report("TrialBalance", **YEARS)


def test_a_report_this_person_may_not_see_says_what_to_do(
    sandbox: SandboxServer, client: QBOClient
) -> None:
    sandbox.set(reports={"denied": ["BalanceSheet"]})
    with pytest.raises(
        FeatureUnavailable, match="Let an administrator of the company connect"
    ) as caught:
        client.report("BalanceSheet", **YEARS)
    assert (caught.value.fault_code, caught.value.entity) == ("5020", "BalanceSheet")
    assert not isinstance(caught.value, AccessDenied)


@pytest.fixture
def answering(script: Script, clock: DrivenClock) -> Iterator[QBOClient]:
    with QBOClient(
        "the-client-id",
        "the-client-secret",
        "http://localhost:8000/api/v1/auth/callback",
        "sandbox",
        base_url=script.url,
        realm_id="9341453474484455",
        clock=clock,
    ) as made:
        made.set_tokens("access-token-1", "refresh-token-1")
        yield made


@pytest.mark.parametrize(
    "header, words",
    [
        ({"StartPeriod": "2026-01-01", "EndPeriod": "2026-10-31"}, "its start is 2026-01-01"),
        ({"ReportBasis": "Cash"}, "its basis is Cash instead of Accrual"),
    ],
)
def test_an_answer_for_another_window_or_basis_is_refused(
    script: Script, answering: QBOClient, header: dict[str, str], words: str
) -> None:
    body = {"Header": {"ReportName": "BalanceSheet", **header}, "Columns": {}, "Rows": {}}
    script.default = lambda _: reply(body)
    with pytest.raises(RequestRejected, match=words):
        answering.report("BalanceSheet", start_date="2025-01-01", end_date="2026-10-31")


def test_another_report_than_asked_for_is_no_answer(script: Script, answering: QBOClient) -> None:
    body = {"Header": {"ReportName": "CashFlow"}, "Columns": {}, "Rows": {}}
    script.default = lambda _: reply(body)
    with pytest.raises(ServiceUnavailable, match="it is a CashFlow and not a BalanceSheet"):
        answering.report("BalanceSheet", start_date="2025-01-01", end_date="2026-10-31")


def test_too_big_is_one_kind_of_error(sandbox: SandboxServer, client: QBOClient) -> None:
    sandbox.set(reports={"cell_limit": 100, "cut": "fault"})
    with pytest.raises(AnswerTooBig):
        client.report("JournalReport", **YEARS)


RENAMED = [
    ("SalesByCustomer", "CustomerSales"),
    ("SalesByProduct", "ItemSales"),
    ("SalesByDepartment", "DepartmentSales"),
    ("SalesByClassSummary", "ClassSales"),
    ("AccountListDetail", "AccountList"),
]


@pytest.mark.parametrize("name, path", RENAMED)
def test_a_report_that_intuit_calls_otherwise_is_asked_for_by_that_name(
    sandbox: SandboxServer, client: QBOClient, name: str, path: str
) -> None:
    window = {} if name == "AccountListDetail" else YEARS
    sandbox.pop_log()
    for either in (name, path):
        answer = client.report(either, **window)
        assert (answer.report.name, answer.request.type.name) == (path, name)
        assert answer.report.rows
    assert [call.target.partition("?")[0] for call in sandbox.pop_log()] == [f"reports/{path}"] * 2
