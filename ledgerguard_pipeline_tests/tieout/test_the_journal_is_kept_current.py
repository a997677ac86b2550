"""The journal holds every leg Intuit shows, and what changed is read again month by month."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.errors import FeatureUnavailable, ReportCut
from ledgerguard_pipeline.ingestion.report_loads import ReportLoad, ReportLoads
from ledgerguard_pipeline.reports.types import ReportRequest
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, TODAY, Books, open_books, open_sandbox


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with open_sandbox() as sandbox:
        file = tmp_path_factory.mktemp("books") / "books.duckdb"
        with open_books(sandbox, file) as opened:
            opened.sync.bring_up_to_date(TODAY)
            yield opened


@pytest.fixture
def books(shared: Books) -> Books:
    """The shared books, with the sandbox behaving and the journal level with them."""
    shared.sandbox.set(reports={})
    shared.sync_entities("Bill", "BillPayment", "Purchase")
    shared.sync.bring_up_to_date(TODAY)
    shared.sandbox.pop_log()
    return shared


def asked(books: Books) -> list[str]:
    """The windows of JournalReports asked for since the last time."""
    found = []
    for call in books.sandbox.pop_log():
        if call.target.startswith("reports/JournalReport"):
            pairs = dict(part.split("=") for part in call.target.partition("?")[2].split("&"))
            found.append(f"{pairs['start_date']} {pairs['end_date']}")
    return found


def test_a_first_load_is_the_ledger_to_the_last_digit(books: Books, tmp_path: Path) -> None:
    with open_books(books.sandbox, tmp_path / "new.duckdb") as fresh:
        load = fresh.sync.bring_up_to_date(TODAY)
        assert fresh.journal_balances() == fresh.ledger_balances()
        legs, transactions = fresh.sync.journal.count(fresh.realm)
        assert legs == load.legs > transactions > 400
        # Opening balances are older than every bill and purchase that Bronze holds.
        first, last = load.spans[0][0], load.spans[-1][1]
        assert first < date(2025, 5, 25)
        assert last >= TODAY
        rows = fresh.store.sql(
            "SELECT txn_type, entity FROM silver.journal "
            "WHERE txn_type IN ('Payroll Check', 'Expense') GROUP BY ALL ORDER BY ALL"
        ).rows
        assert rows == [("Expense", "Purchase"), ("Payroll Check", None)]


SEPTEMBER = date(2026, 9, 10)
"""Before the last documents: some are dated later."""


def interrupted(books: Books, closed: str = "") -> None:
    """A first load whose second window is refused."""
    if closed:
        with duckdb.connect(str(books.file)) as connection:
            connection.execute(
                "UPDATE bronze.preferences SET payload = replace(payload, "
                f'\'"AccountingInfoPrefs":{{\', \'"AccountingInfoPrefs":{{"BookCloseDate":"{closed}",\')'
            )
    books.sandbox.inject("feature_missing", endpoint="reports", entity="JournalReport", skip=1)
    with pytest.raises(FeatureUnavailable):
        books.sync.bring_up_to_date(SEPTEMBER)
    assert len(books.sync.journal.windows(books.realm)) == 1
    asked(books)


def test_an_interrupted_first_load_goes_on_with_the_windows_it_did_not_come_to(
    tmp_path: Path,
) -> None:
    # Books of its own, here and below: what was edited within a day is read again.
    with open_sandbox() as sandbox:
        with open_books(sandbox, tmp_path / "whole.duckdb") as whole:
            whole.sync.bring_up_to_date(SEPTEMBER)
            every = asked(whole)
        with open_books(sandbox, tmp_path / "books.duckdb") as books:
            interrupted(books)
            load = books.sync.bring_up_to_date(SEPTEMBER)
            assert asked(books) == every[1:]
            assert len(load.spans) == len(every) - 1
            # Documents dated after that day too.
            assert books.journal_balances() == books.ledger_balances()


def test_what_is_read_for_the_first_time_is_no_change_of_closed_books(tmp_path: Path) -> None:
    with open_sandbox() as sandbox, open_books(sandbox, tmp_path / "books.duckdb") as books:
        interrupted(books, closed="2026-06-30")
        ((id,),) = books.store.sql(
            "SELECT min(txn_id) FROM silver.journal WHERE entity = 'Bill'"
        ).rows
        books.store.workspace.let_go()
        with duckdb.connect(str(books.file)) as connection:
            connection.execute(f"DELETE FROM silver.journal WHERE txn_id = '{id}'")
        books.sync.bring_up_to_date(SEPTEMBER)
        assert books.sync.closed_changes == {}
        # Of the first window it had said something before.
        first = books.sync.journal.windows(books.realm)[0]
        books.sync.reload(first.start, first.end)
        assert list(books.sync.closed_changes) == [f"Bill (id {id})"]


def test_nothing_new_costs_two_calls_and_changes_nothing(tmp_path: Path) -> None:
    with open_sandbox() as sandbox, open_books(sandbox, tmp_path / "books.duckdb") as books:
        books.sync.bring_up_to_date(TODAY)
        books.sandbox.pop_log()
        quiet_day(books)


def quiet_day(books: Books) -> None:
    before = books.sync.journal.count(books.realm)
    calls = books.client.stats.metered_calls
    books.sync.bring_up_to_date(TODAY)
    assert asked(books) == ["2026-11-01 2026-11-30"]
    assert books.client.stats.metered_calls - calls == 2
    assert books.sync.journal.count(books.realm) == before


def test_an_edit_of_an_old_document_reads_its_month_again(books: Books) -> None:
    old = next(
        entry
        for entry in books.sandbox.world.reports[books.realm]._journal.transactions()
        if entry.entity == "Purchase" and entry.date < "2026-03"
    )
    books.sandbox.edit("update", "Purchase", old.id, amount="777.77")
    books.sync_entities("Purchase")
    assert books.journal_balances() != books.ledger_balances()
    asked(books)
    books.sync.bring_up_to_date(TODAY)
    month = old.date[:7]
    assert any(each.startswith(f"{month}-01 ") for each in asked(books))
    assert books.journal_balances() == books.ledger_balances()


def test_payroll_is_noticed_though_no_entity_has_it(books: Books) -> None:
    books.sandbox.post_ledger_only(
        "Payroll Check", date="2026-02-14", amount="1234.56", debit="28", credit="1"
    )
    books.sync.bring_up_to_date(TODAY)
    assert books.journal_balances() == books.ledger_balances()


def test_opening_stock_that_is_written_of_a_day_before_all_books_is_noticed(
    books: Books, tmp_path: Path
) -> None:
    # In a store of its own: what is taken away again leaves no trace for the shared one.
    with open_books(books.sandbox, tmp_path / "new.duckdb") as fresh:
        fresh.sync.bring_up_to_date(TODAY)
        day = fresh.sync.journal.windows(fresh.realm)[0].start - timedelta(days=400)
        id = books.sandbox.post_ledger_only(
            "Inventory Starting Value", date=str(day), amount="1234.56", debit="28", credit="1"
        )
        fresh.sync.bring_up_to_date(TODAY)
        assert fresh.journal_balances() == fresh.ledger_balances()
        books.sandbox.remove_ledger_only(id)


def test_a_deleted_document_leaves_the_journal(books: Books) -> None:
    id = next(iter(books.company.tables["Bill"].rows))
    books.sandbox.edit("delete", "Bill", id)
    books.sync_entities("Bill", "BillPayment")
    books.sync.bring_up_to_date(TODAY)
    rows = books.store.sql(
        f"SELECT count(*) FROM silver.journal WHERE entity = 'Bill' AND txn_id = '{id}'"
    ).rows
    assert rows == [(0,)]


def test_a_span_is_replaced_as_a_whole_or_not_at_all(books: Books) -> None:
    before = books.journal_balances()
    count = books.sync.journal.count(books.realm)
    books.sandbox.set(reports={"cell_limit": 30})
    with pytest.raises(ReportCut, match="single day"):
        books.sync.reload(date(2026, 1, 1), OCTOBER)
    assert books.journal_balances() == before
    assert books.sync.journal.count(books.realm) == count


def test_a_long_span_that_is_cut_comes_in_parts(books: Books) -> None:
    books.sandbox.set(reports={"cell_limit": 6_000, "cut": "silent"})
    books.sync.reload(date(2026, 1, 1), OCTOBER)
    assert books.journal_balances() == books.ledger_balances()
    assert any(each.cut for each in books.store.reports.list(books.realm, "JournalReport"))


def test_the_other_shape_and_language_give_the_same_journal(books: Books) -> None:
    rows = "SELECT txn_id, leg_no, account_id, debit, credit FROM silver.journal ORDER BY ALL"
    modern = books.store.sql(rows).rows
    books.sandbox.set(reports={"shape": "old", "zeros": "text", "language": "fr"})
    for start, end in books_spans(books):
        books.sync.reload(start, end)
    assert books.store.sql(rows).rows == modern


def books_spans(books: Books) -> list[tuple[date, date]]:
    return [(each.start, each.end) for each in books.sync.journal.windows(books.realm)]


def test_books_that_move_while_they_are_read_are_read_again(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = next(iter(books.company.tables["Purchase"].rows))
    body = books.sandbox.truth("Purchase").bodies()[id]
    day = date.fromisoformat(json.loads(body)["TxnDate"])
    month = day.replace(day=1)
    meanwhile = iter([True])
    request = ReportLoads.request

    def moving(self: ReportLoads, asked_for: ReportRequest) -> ReportLoad:
        found = request(self, asked_for)
        if next(meanwhile, False):
            books.sandbox.edit("update", "Purchase", id, amount="555.55")
            books.sync_entities("Purchase")
        return found

    monkeypatch.setattr(ReportLoads, "request", moving)
    books.sync.reload(month, (month + timedelta(days=31)).replace(day=1) - timedelta(days=1))
    assert books.journal_balances() == books.ledger_balances()
