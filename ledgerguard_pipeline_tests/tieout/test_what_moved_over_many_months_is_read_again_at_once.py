"""Intuit moves many months at once without a sign: one comparison reads them all again."""

from __future__ import annotations

from collections import Counter
from datetime import date

import duckdb
import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.tieout.differences import Level
from ledgerguard_pipeline.tieout.proof import Proof, ProofResult, ProofState
from ledgerguard_pipeline_tests.tieout.books import TODAY, Books
from ledgerguard_pipeline_tests.tieout.documents import one

_INCOME = (
    "SELECT account_id FROM silver.journal JOIN silver.account AS account "
    "ON account.id = account_id AND account.classification = 'Revenue' "
    "GROUP BY account_id ORDER BY count(DISTINCT date_trunc('month', posted_on)) DESC, account_id"
)


def prove(books: Books, day: date = TODAY) -> ProofResult:
    return Proof(books.client, books.store, books.realm, SYSTEM_CLOCK).run([day])


def change(books: Books, statement: str) -> None:
    books.store.workspace.let_go()
    with duckdb.connect(str(books.file)) as connection:
        connection.execute(statement)


def reports(books: Books) -> Counter[str]:
    """How often each report was asked for since the last time."""
    names = [call.target.partition("?")[0] for call in books.sandbox.pop_log()]
    return Counter(name.rpartition("/")[2] for name in names if name.startswith("reports/"))


@pytest.mark.parametrize(
    "moved", ["true", "posted_on < '2026-01-01'"], ids=["all", "the fiscal year before"]
)
def test_income_that_moved_to_another_account_in_all_months_differs_no_more(
    documents: Books, moved: str
) -> None:
    (to,), (of,) = documents.store.sql(_INCOME).rows[:2]
    change(
        documents,
        f"UPDATE silver.journal SET account_id = '{to}' WHERE account_id = '{of}' AND {moved}",
    )
    assert documents.journal_balances() != documents.ledger_balances()
    reports(documents)
    result = prove(documents)
    assert result.state is ProofState.TIED_OUT
    assert documents.journal_balances() == documents.ledger_balances()
    # The current month, that which bisection found, and nineteen in windows of half a year.
    assert reports(documents)["JournalReport"] <= 6


def test_a_difference_that_stays_is_read_again_twice_and_then_a_month_a_run(
    documents: Books,
) -> None:
    (id,) = one(
        documents, "SELECT id FROM silver.bill WHERE txn_date < '2026-06-01' ORDER BY id LIMIT 1"
    )
    (other,) = one(
        documents, "SELECT id FROM silver.bill WHERE txn_date > '2026-07-01' ORDER BY id LIMIT 1"
    )
    hidden = {"hidden": [["Bill", id], ["Bill", other]]}
    documents.sandbox.set(reports=hidden)
    change(
        documents,
        f"DELETE FROM silver.journal WHERE entity = 'Bill' AND txn_id IN ('{id}', '{other}')",
    )
    reports(documents)
    # The second time because it is known since the first: what Intuit books late is there by then.
    for months in (2, 2, 1):
        differing = {
            each.key.split("/")[1]
            for each in prove(documents).unexplained
            if each.level is Level.POSTINGS
        }
        assert differing == {id, other}
        # Besides the current month.
        assert reports(documents)["JournalReport"] <= 1 + months
    # QuickBooks shows them again and gives no sign of it: a month a run.
    documents.sandbox.set(reports={})
    prove(documents)
    assert prove(documents).state is ProofState.TIED_OUT
