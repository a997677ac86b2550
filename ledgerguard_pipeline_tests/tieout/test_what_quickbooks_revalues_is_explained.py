"""Accounts in other currencies at the day's rate: the gain has no transaction, wherever it stands."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.tieout.differences import DifferenceClass, Level
from ledgerguard_pipeline.tieout.proof import Proof, ProofState
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, Books
from ledgerguard_pipeline_tests.tieout.documents import unexplained

STANDS = ["row", "account"]


@pytest.mark.parametrize("shape", ["modern", "old"])
@pytest.mark.parametrize("stands", STANDS)
def test_books_with_foreign_balances_tie_out_and_the_gain_is_shown(
    documents: Books, stands: str, shape: str
) -> None:
    documents.sandbox.set(reports={"revaluation": stands, "shape": shape})
    proof = Proof(documents.client, documents.store, documents.realm, SYSTEM_CLOCK)
    result = proof.run()
    assert [each.message for each in result.unexplained] == []
    assert result.state is ProofState.TIED_OUT
    for end in result.ends:
        found = [
            each
            for each in documents.tie_out.read(documents.realm)
            if each.level is Level.TRIAL_BALANCE and each.period_end == end
        ]
        keys = {each.key for each in found}
        chart = documents.company.chart
        assert chart.receivables["EUR"] in keys
        assert (chart.exchange_gain if stands == "account" else "") in keys
        assert exact_sum(each.difference for each in found) == 0
    # No month is searched for what every month has; the BalanceSheet is asked for each time.
    again = Proof(documents.client, documents.store, documents.realm, SYSTEM_CLOCK)
    assert again.run().metered_calls <= 7


@pytest.mark.parametrize("stands", STANDS)
def test_a_cent_beside_the_gain_is_not_explained_by_it(
    documents: Books, tmp_path: Path, stands: str
) -> None:
    gain = documents.company.chart.exchange_gain
    documents.sandbox.set(reports={"revaluation": stands})
    with duckdb.connect(str(tmp_path / "books.duckdb")) as connection:
        for account, amount in ((gain, "0.01"), ("1", "-0.01")):
            connection.execute(
                "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE "
                f"('{account}' AS account_id, {amount} AS amount, '4711' AS txn_id, "
                "DATE '2026-10-05' AS posted_on) FROM books.silver.journal LIMIT 1"
            )
    found = unexplained(documents.levels.trial_balance(OCTOBER, repair=False))
    assert {gain, "1"} <= {each.key for each in found}
    assert all(each.breaks for each in found)


def test_a_gain_that_stands_on_no_account_is_called_so(documents: Books) -> None:
    documents.sandbox.set(reports={"revaluation": "row"})
    (row,) = [each for each in documents.levels.trial_balance(OCTOBER) if not each.key]
    assert row.kind is DifferenceClass.REVALUATION
    assert row.message.startswith("No account, Unrealized Gain or Loss, 2026-10-31: journal 0.00")
    assert row.theirs != Decimal(0)
