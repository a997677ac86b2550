"""L0a and L3: green where the books agree, and a fault is named by account, amount and transaction."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.tieout.account_levels.levels import Compared, Trial
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.record import line
from ledgerguard_pipeline.tieout.spans import month_end
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, TODAY, Books, open_books, open_sandbox

YEAR_END = date(2025, 12, 31)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SandboxServer, Path]]:
    """A sandbox, and a store whose journal is level with it."""
    file = tmp_path_factory.mktemp("books") / "loaded.duckdb"
    with open_sandbox() as sandbox:
        with open_books(sandbox, file) as opened:
            opened.sync.bring_up_to_date(TODAY)
        yield sandbox, file


@pytest.fixture
def books(loaded: tuple[SandboxServer, Path], tmp_path: Path) -> Iterator[Books]:
    """A copy of the loaded store for each test."""
    sandbox, file = loaded
    sandbox.set(reports={})
    copy = tmp_path / "books.duckdb"
    shutil.copyfile(file, copy)
    with open_books(sandbox, copy) as opened:
        yield opened


def change(tmp_path: Path, statement: str) -> None:
    with duckdb.connect(str(tmp_path / "books.duckdb")) as connection:
        connection.execute(statement)


def test_sound_books_tie_out_on_month_ends_and_across_years(books: Books) -> None:
    assert books.levels.balanced() == []
    for end in (YEAR_END, date(2026, 1, 31), OCTOBER, TODAY):
        assert books.levels.trial_balance(end) == []
    books.sandbox.set(reports={"roll": "never", "shape": "old", "language": "fr"})
    assert books.levels.trial_balance(OCTOBER) == []
    assert books.tie_out.read(books.realm) == []


def test_of_several_accounts_for_retained_earnings_the_oldest_takes_the_years_before(
    books: Books, tmp_path: Path
) -> None:
    for id in ("100", "999"):
        change(
            tmp_path,
            f"INSERT INTO books.bronze.account SELECT * REPLACE ('{id}' AS id) "
            "FROM books.bronze.account WHERE payload->>'$.AccountSubType' = 'RetainedEarnings' "
            "LIMIT 1",
        )
    accounts = books.levels.accounts()
    assert sum(each.retained for each in accounts.values()) == 3
    # In whatever order a store hands them out.
    books.levels.accounts = lambda: dict(reversed(accounts.items()))  # type: ignore[method-assign]
    assert books.levels.trial_balance(OCTOBER) == []


@pytest.mark.parametrize("seed", [2, 3])
def test_books_of_other_seeds_tie_out_too(tmp_path: Path, seed: int) -> None:
    with (
        open_sandbox(seed=seed, varied=seed == 2) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb") as books,
    ):
        books.sync.bring_up_to_date(TODAY)
        assert books.levels.balanced() == []
        assert books.levels.trial_balance(OCTOBER) == []


def test_a_cent_moved_between_accounts_is_named_and_mended_by_reading_again(
    books: Books, tmp_path: Path
) -> None:
    row = books.store.sql(
        "SELECT txn_type, txn_id, account_id, posted_on FROM silver.journal "
        "WHERE debit = 0 AND credit > 1 AND posted_on BETWEEN '2026-03-01' AND '2026-03-31' LIMIT 1"
    ).rows[0]
    where = f"txn_type = '{row[0]}' AND txn_id = '{row[1]}' AND account_id = '{row[2]}'"
    change(
        tmp_path,
        f"UPDATE books.silver.journal SET credit = credit + 0.01, amount = amount - 0.01 WHERE {where}",
    )
    found = books.levels.trial_balance(OCTOBER, repair=False)
    (one,) = found
    assert (one.key, one.difference) == (row[2], Decimal("-0.01"))
    assert one.kind is DifferenceClass.UNEXPLAINED
    assert one.message.startswith(f"Account {row[2]} ")
    assert ", 2026-10-31: journal " in one.message
    assert "difference 0.01." in one.message
    (unbalanced,) = books.levels.balanced()
    assert unbalanced.key == f"{row[0]}/{row[1]}"
    assert "differ by 0.01." in unbalanced.message
    assert books.levels.trial_balance(OCTOBER) == []
    assert books.levels.balanced() == []
    assert books.tie_out.read(books.realm) == []


def test_transactions_of_two_types_with_one_id_are_two_differences(
    books: Books, tmp_path: Path
) -> None:
    for label in ("Invoice", "Bill Payment (Check)"):
        change(
            tmp_path,
            f"INSERT INTO books.silver.journal BY NAME SELECT * REPLACE ('{label}' AS txn_type, "
            "'4711' AS txn_id) FROM books.silver.journal WHERE debit > 0 ORDER BY ALL LIMIT 1",
        )
    found = books.levels.balanced()
    kept = books.tie_out.read(books.realm)
    assert [each.key for each in kept] == ["Bill Payment (Check)/4711", "Invoice/4711"]
    documents = [one for each in found for one in line(each).documents]
    assert [(one.entity, one.id) for one in documents] == [
        ("BillPayment", "4711"),
        ("Invoice", "4711"),
    ]


def test_a_hidden_transaction_is_found_by_bisection_and_read_again(
    books: Books, tmp_path: Path
) -> None:
    row = books.store.sql(
        "SELECT txn_type, txn_id FROM silver.journal WHERE posted_on BETWEEN '2026-04-01' AND "
        "'2026-04-30' AND amount <> 0 LIMIT 1"
    ).rows[0]
    change(
        tmp_path,
        f"DELETE FROM books.silver.journal WHERE txn_type = '{row[0]}' AND txn_id = '{row[1]}'",
    )
    assert len(books.levels.trial_balance(OCTOBER, repair=False)) >= 2
    calls = books.client.stats.metered_calls
    assert books.levels.trial_balance(OCTOBER) == []
    # 17 month ends: one TrialBalance at the end, four or five on the way, one JournalReport.
    assert books.client.stats.metered_calls - calls <= 8


def test_a_journal_whose_total_is_not_that_of_its_rows_is_not_taken(books: Books) -> None:
    before = books.journal_balances()
    ((id, day),) = books.store.sql(
        "SELECT txn_id, min(posted_on) FROM silver.journal WHERE entity = 'Invoice' "
        "GROUP BY txn_id HAVING sum(debit) > 0 LIMIT 1"
    ).rows
    assert isinstance(day, date)
    books.sandbox.set(reports={"lost": [["Invoice", id]]})
    with pytest.raises(NotCompared, match="its total of debits says") as caught:
        books.sync.reload(day.replace(day=1), month_end(day))
    assert caught.value.kind is FindingKind.REPORT_UNREADABLE
    assert books.journal_balances() == before


def test_payroll_deleted_without_a_trace_is_found_by_the_trial_balance(books: Books) -> None:
    id = books.sandbox.post_ledger_only(
        "Payroll Check", date="2026-02-14", amount="1234.56", debit="28", credit="1"
    )
    books.sync.bring_up_to_date(TODAY)
    assert books.journal_balances() == books.ledger_balances()
    books.sandbox.remove_ledger_only(id)
    books.sync.bring_up_to_date(TODAY)
    assert books.journal_balances() != books.ledger_balances()
    assert books.levels.trial_balance(TODAY) == []
    assert books.journal_balances() == books.ledger_balances()


def test_opening_stock_deleted_without_a_trace_is_found_where_nothing_else_was_yet(
    books: Books, tmp_path: Path
) -> None:
    first = books.sync.journal.windows(books.realm)[0].start
    change(
        tmp_path,
        "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE ('Inventory Starting Value' AS "
        f"txn_type, NULL AS entity, '4711' AS txn_id, DATE '{first}' AS posted_on) "
        "FROM books.silver.journal WHERE entity = 'Transfer' AND txn_id = (SELECT min(txn_id) "
        "FROM books.silver.journal WHERE entity = 'Transfer')",
    )
    assert len(books.levels.trial_balance(TODAY, repair=False)) == 2
    assert books.levels.trial_balance(TODAY) == []
    assert books.journal_balances() == books.ledger_balances()


def test_a_difference_keeps_when_it_was_first_seen_and_goes_when_it_is_mended(
    books: Books, tmp_path: Path
) -> None:
    change(
        tmp_path,
        "UPDATE books.silver.journal SET amount = amount + 5, debit = debit + 5 WHERE rowid = "
        "(SELECT min(rowid) FROM books.silver.journal WHERE debit > 0)",
    )
    (one,) = books.levels.trial_balance(OCTOBER, repair=False)
    (again,) = books.levels.trial_balance(OCTOBER, repair=False)
    assert again.first_seen == one.first_seen
    assert one.first_seen is not None
    (kept,) = books.tie_out.read(books.realm)
    assert (kept.key, kept.difference, kept.first_seen) == (one.key, Decimal(5), one.first_seen)
    assert books.levels.trial_balance(OCTOBER) == []
    assert books.tie_out.read(books.realm) == []


def test_an_account_in_another_currency_is_explained_and_still_shown_to_the_cent(
    books: Books, tmp_path: Path
) -> None:
    euros = books.company.chart.receivables["EUR"]
    change(
        tmp_path,
        "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE (0.07 AS amount, 0.07 AS debit) "
        f"FROM books.silver.journal WHERE account_id = '{euros}' AND debit > 0 LIMIT 1",
    )
    (one,) = books.levels.trial_balance(OCTOBER, repair=False)
    assert (one.key, one.difference) == (euros, Decimal("0.07"))
    assert one.kind is DifferenceClass.REVALUATION


def test_a_lost_transaction_is_found_although_an_account_in_another_currency_always_differs(
    books: Books, tmp_path: Path
) -> None:
    euros = books.company.chart.receivables["EUR"]
    # Before the first window, so that no reading again mends it.
    change(
        tmp_path,
        "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE (0.07 AS amount, 0.07 AS debit, "
        "DATE '2001-01-01' AS posted_on, '4711' AS txn_id) "
        f"FROM books.silver.journal WHERE account_id = '{euros}' AND debit > 0 LIMIT 1",
    )
    change(
        tmp_path,
        "DELETE FROM books.silver.journal WHERE entity = 'Bill' AND txn_id = (SELECT min(txn_id) "
        "FROM books.silver.journal WHERE entity = 'Bill' AND month(posted_on) = 8)",
    )
    assert len(books.levels.trial_balance(OCTOBER, repair=False)) == 3
    (one,) = books.levels.trial_balance(OCTOBER)
    assert (one.key, one.kind) == (euros, DifferenceClass.REVALUATION)


def test_an_account_bronze_does_not_know_is_named_with_what_to_do(
    books: Books, tmp_path: Path
) -> None:
    change(
        tmp_path,
        "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE ('4711' AS account_id, "
        "'Nowhere' AS account_name, 1 AS amount) FROM books.silver.journal LIMIT 1",
    )
    found = {each.key: each for each in books.levels.trial_balance(OCTOBER, repair=False)}
    assert "sync Account" in found["4711"].message
    assert found["4711"].name == "Nowhere"


def test_a_trial_balance_that_lost_rows_is_no_proof_of_anything(books: Books) -> None:
    books.sandbox.set(reports={"cell_limit": 60, "cut": "silent"})
    with pytest.raises(BronzeError, match=r"cannot be compared: debits .* differ"):
        books.levels.trial_balance(OCTOBER)


def test_messages_have_every_digit() -> None:
    one = Difference(
        Level.TRIAL_BALANCE,
        OCTOBER,
        "90",
        "Board of Equalization Payable",
        Decimal("370.94"),
        Decimal("371.19"),
        "Read again from QuickBooks: Invoice (id 72) 0.25.",
    )
    assert one.message == (
        "Account 90 Board of Equalization Payable, 2026-10-31: journal 370.94, QuickBooks 371.19, "
        "difference 0.25. Read again from QuickBooks: Invoice (id 72) 0.25."
    )


def test_balances_agree_to_the_last_digit_or_not_at_all() -> None:
    ours = {"1": Decimal("10.00"), "2": Decimal("10.001"), "3": Decimal("0.000")}
    trial = Trial({"1": Decimal(10), "2": Decimal(10), "4": Decimal("-0.0001")}, {}, "report")

    assert Compared(date(2026, 10, 31), ours, trial, {}, {}).differing == ["2", "4"]
