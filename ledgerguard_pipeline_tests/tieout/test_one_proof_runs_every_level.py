"""One proof for the nightly run and the command: every level in order, and findings instead of stops."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.tieout.differences import Level
from ledgerguard_pipeline.tieout.findings import FindingKind
from ledgerguard_pipeline.tieout.proof import Proof, ProofResult, ProofState
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.openings import noting
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, TODAY, Books, open_client
from ledgerguard_pipeline_tests.tieout.documents import unexplained

MARCH = date(2026, 3, 31)
NAMED = {
    "empty": FindingKind.REPORT_EMPTY,
    "written_locally": FindingKind.REPORT_UNREADABLE,
    "undated": FindingKind.REPORT_UNREADABLE,
}
AT_ONCE = [
    ("empty", ["ProfitAndLoss", "TransactionList", "AgedReceivables"]),
    ("empty", ["BalanceSheet", "AgedPayables"]),
    ("written_locally", ["TrialBalance", "ProfitAndLoss", "AgedReceivables"]),
    ("written_locally", ["TransactionList"]),
    ("written_locally", ["JournalReport"]),
    ("undated", ["ProfitAndLoss"]),
]
"""The sandbox's switch, and reports of several levels in their order, each of which is named."""


@pytest.fixture
def books(documents: Books) -> Books:
    """Everything of a company is loaded and was compared once."""
    return documents


def prove(books: Books, *ends: date) -> ProofResult:
    return Proof(books.client, books.store, books.realm, SYSTEM_CLOCK).run(ends)


def change(tmp_path: Path, statement: str) -> None:
    with duckdb.connect(str(tmp_path / "books.duckdb")) as connection:
        connection.execute(statement)


def forget_journal(tmp_path: Path) -> None:
    """Let the months of the books' newest documents be read again, whatever day it is."""
    change(tmp_path, f"DELETE FROM books.silver._journal_windows WHERE window_end > '{OCTOBER}'")


def test_sound_books_tie_out_on_every_level_and_day(books: Books) -> None:
    result = prove(books)
    assert result.state is ProofState.TIED_OUT
    assert (result.unexplained, result.findings, result.errors) == ((), (), ())
    assert [each.level for each in result.levels[:2]] == [Level.BALANCED, Level.TRIAL_BALANCE]
    # The month before, and today.
    assert len(result.ends) == 2
    # Both statements were read for the first time; on a quiet day the kept ones do.
    assert result.metered_calls <= 8
    assert prove(books).metered_calls <= 6
    assert result.legs > 100
    assert result.coverage is not None
    assert 0.9 < result.coverage.share < 1


def test_a_broken_month_is_compared_again_until_it_ties_out(books: Books, tmp_path: Path) -> None:
    change(
        tmp_path,
        "UPDATE books.silver.journal SET debit = debit + 1, amount = amount + 1 WHERE rowid = "
        "(SELECT min(rowid) FROM books.silver.journal WHERE debit > 1 "
        "AND posted_on BETWEEN '2026-02-01' AND '2026-03-31')",
    )
    books.levels.trial_balance(MARCH, repair=False)
    books.levels.trial_balance(TODAY, repair=False)
    seen = {each.first_seen for each in unexplained(books.tie_out.read(books.realm))}
    assert len(seen) == 1
    proof = Proof(books.client, books.store, books.realm, SYSTEM_CLOCK)
    assert MARCH in proof.nightly_ends(SYSTEM_CLOCK.now().date())
    # The run mends it by reading the month again, and the day that passed no longer counts.
    assert proof.run().state is ProofState.TIED_OUT
    assert unexplained(books.tie_out.read(books.realm)) == []


@pytest.mark.parametrize("closed, said", [("2026-06-30", True), ("2026-01-31", False)])
def test_what_changed_in_closed_books_is_said_once_and_breaks_nothing(
    books: Books, tmp_path: Path, closed: str, said: bool
) -> None:
    change(
        tmp_path,
        "UPDATE books.bronze.preferences SET payload = replace(payload, "
        f'\'"AccountingInfoPrefs":{{\', \'"AccountingInfoPrefs":{{"BookCloseDate":"{closed}",\')',
    )
    ((id,),) = books.store.sql(
        "SELECT min(txn_id) FROM silver.journal WHERE entity = 'Bill' AND month(posted_on) = 3 "
        "AND year(posted_on) = 2026"
    ).rows
    change(tmp_path, f"DELETE FROM books.silver.journal WHERE entity = 'Bill' AND txn_id = '{id}'")
    result = prove(books)
    assert result.state is ProofState.TIED_OUT
    found = [each for each in result.findings if each.kind is FindingKind.CLOSED_BOOKS_CHANGED]
    assert len(found) == len(result.findings) == said
    for each in found:
        assert each.text.startswith(f"The books are closed until {closed}, ")
        assert f"journal of these days changed: Bill (id {id})." in each.text
    assert prove(books).findings == ()


def test_a_report_that_is_refused_is_a_finding_and_other_levels_go_on(books: Books) -> None:
    books.sandbox.set(reports={"denied": ["TrialBalance"]})
    result = prove(books, OCTOBER)
    assert result.state is ProofState.NOT_COMPARED
    (finding,) = result.findings
    assert finding.kind is FindingKind.NOT_PERMITTED
    assert "TrialBalance" in finding.text
    assert "administrator" in finding.text
    barred = [each.level for each in result.levels if each.finding is not None]
    assert barred == [Level.TRIAL_BALANCE]
    assert len(result.levels) == len(Level)


def test_an_answer_with_nothing_in_it_is_a_finding_and_never_equal(books: Books) -> None:
    books.sandbox.set(reports={"without_body": ["TrialBalance"]})
    result = prove(books, OCTOBER)
    assert result.state is ProofState.NOT_COMPARED
    (finding,) = result.findings
    assert finding.kind is FindingKind.UNAVAILABLE
    assert finding.passing
    assert "TrialBalance" in finding.text
    barred = [each.level for each in result.levels if each.finding is not None]
    assert barred == [Level.TRIAL_BALANCE]


def test_a_journal_that_cannot_be_read_leaves_everything_as_it_was(books: Books) -> None:
    books.sandbox.set(reports={"denied": ["JournalReport"]})
    before = books.journal_balances()
    result = prove(books, OCTOBER)
    assert result.state is ProofState.NOT_COMPARED
    assert [each.level for each in result.levels] == [None]
    assert books.journal_balances() == before


def test_an_account_that_bronze_does_not_know_is_never_called_equal(
    books: Books, tmp_path: Path
) -> None:
    change(tmp_path, "DELETE FROM books.bronze.account WHERE id = '1'")
    result = prove(books, OCTOBER)
    assert result.state is ProofState.NOT_COMPARED
    (finding,) = result.findings
    assert finding.kind is FindingKind.UNKNOWN_ACCOUNT
    assert "sync --entity Account" in finding.text


def test_another_language_is_named_and_accounts_are_compared_by_their_ids(
    books: Books, tmp_path: Path
) -> None:
    books.sync_entities("Estimate", "PurchaseOrder")  # do not post, and are listed all the same
    forget_journal(tmp_path)
    books.sandbox.set(reports={"language": "fr"})
    result = prove(books, OCTOBER)
    (finding,) = result.findings
    assert finding.kind is FindingKind.UNKNOWN_TYPE
    # Documents are known by their ids and dates, what has none by the accounts it moves.
    assert "Facture" not in finding.text
    assert "Chèque de paie" in finding.text
    assert result.unexplained == ()


@pytest.mark.parametrize("fault, reports", AT_ONCE)
def test_a_report_that_shows_nothing_or_writes_otherwise_is_named_and_never_equal(
    books: Books, tmp_path: Path, fault: str, reports: list[str]
) -> None:
    for table in ("silver._listed_months", "bronze._reports"):  # none is answered by a kept one
        change(tmp_path, f"DELETE FROM books.{table}")
    forget_journal(tmp_path)
    before = books.journal_balances()
    books.sandbox.set(reports={fault: reports})
    result = prove(books, OCTOBER)
    assert result.state is ProofState.NOT_COMPARED
    assert {each.kind for each in result.findings} == {NAMED[fault]}
    named = [next(name for name in reports if name in each.text) for each in result.findings]
    assert named == reports
    assert result.unexplained == ()
    assert books.journal_balances() == before


class Looking:
    """Sees at every call whether others can have the file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.calls = 0

    def record(self, *_call: object, **_more: object) -> None:
        duckdb.connect(str(self._file)).close()
        self.calls += 1


def test_the_file_is_opened_once_between_two_answers_and_free_while_they_are_waited_for(
    books: Books,
) -> None:
    openings: list[bool] = []
    store, looking = (
        BronzeStore(books.file, Environment.SANDBOX, connect=noting(openings)),
        Looking(books.file),
    )
    with open_client(books.sandbox, ledger=looking) as client:
        result = Proof(client, store, books.realm, SYSTEM_CLOCK).run()
    assert result.state is ProofState.TIED_OUT
    assert looking.calls == result.metered_calls > 4
    assert len(openings) <= looking.calls + 3
