"""A document that QuickBooks changed after the last sync has its class; one that a sync missed has not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.tieout.differences import DifferenceClass, Level
from ledgerguard_pipeline.tieout.newer import NEWER
from ledgerguard_pipeline.tieout.proof import Proof, ProofResult, ProofState
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, TODAY, Books
from ledgerguard_pipeline_tests.tieout.documents import move_amount, one, plant


@pytest.fixture
def stale(documents: Books) -> str:
    """The bill that QuickBooks changed last, as it was the day before: its total was another."""
    (id,) = one(
        documents, "SELECT id FROM bronze.bill_current ORDER BY last_updated_at DESC LIMIT 1"
    )
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "UPDATE bronze._watermarks SET watermark = (SELECT max(last_updated_at) - INTERVAL 1 HOUR "
            "FROM bronze.bill) WHERE entity = 'Bill'"
        )
        connection.execute(
            f"UPDATE bronze.bill SET last_updated_at = last_updated_at - INTERVAL 1 DAY WHERE id = '{id}'"
        )
    move_amount(documents, "bill", id, "TotalAmt", Decimal(1))
    return id


def prove(books: Books, day: date = OCTOBER) -> ProofResult:
    return Proof(books.client, books.store, books.realm, SYSTEM_CLOCK).run([day])


def test_what_changed_after_the_last_sync_is_shown_with_its_class_and_breaks_nothing_but_balance(
    documents: Books, stale: str
) -> None:
    result = prove(documents)
    found = {
        each.level: each for each in result.differences if each.key.startswith(f"Bill/{stale}")
    }
    for level in (Level.LISTED, Level.POSTINGS):
        assert found[level].kind is DifferenceClass.SNAPSHOT_MOVED
        assert found[level].explanation == NEWER
    # Bronze's own version does not balance, however old it is.
    assert {each.level for each in result.unexplained} == {Level.DERIVED}
    again = prove(documents)
    assert {each.first_seen for each in again.differences if each.key == f"Bill/{stale}"} == {
        each.first_seen for each in result.differences if each.key == f"Bill/{stale}"
    }


def test_a_change_that_the_last_sync_should_have_brought_stays_unexplained(
    documents: Books, stale: str
) -> None:
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute("UPDATE bronze._watermarks SET watermark = watermark + INTERVAL 2 HOUR")
    result = prove(documents)
    assert result.state is ProofState.BROKEN
    assert {Level.LISTED, Level.POSTINGS} <= {
        each.level for each in result.unexplained if each.key.startswith(f"Bill/{stale}")
    }


def test_where_changes_cannot_be_asked_for_nothing_is_explained_away(
    documents: Books, stale: str
) -> None:
    documents.sandbox.inject("feature_missing", endpoint="cdc")
    result = prove(documents)
    assert result.state is ProofState.BROKEN
    assert Level.LISTED in {each.level for each in result.unexplained}


@pytest.mark.parametrize("known", [True, False], ids=["changed", "new"])
def test_a_newer_deposit_of_a_customer_explains_what_the_customer_owes(
    documents: Books, known: bool
) -> None:
    # Deposits say of which type the party is in capitals, and have no CustomerRef.
    id, customer = one(
        documents,
        "SELECT id, payload->>'$.Line[1].DepositLineDetail.Entity.value' FROM bronze.deposit "
        "WHERE payload LIKE '%\"CUSTOMER\"%' ORDER BY last_updated_at DESC LIMIT 1",
    )
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "UPDATE bronze._watermarks SET watermark = (SELECT last_updated_at - INTERVAL 1 HOUR "
            f"FROM bronze.deposit WHERE id = '{id}') WHERE entity = 'Deposit'"
        )
        connection.execute(
            f"UPDATE bronze.deposit SET last_updated_at = last_updated_at - INTERVAL 1 DAY WHERE id = '{id}'"
        )
    if known:
        move_amount(documents, "deposit", id, "Amount", Decimal(1))
    else:
        plant(documents, f"DELETE FROM bronze.deposit WHERE id = '{id}'", "Deposit")
    result = prove(documents, TODAY)
    found = {each.key: each for each in result.differences if each.level is Level.OPEN_ITEMS}
    assert found[f"Customer/{customer}"].kind is DifferenceClass.SNAPSHOT_MOVED
    assert Level.OPEN_ITEMS not in {each.level for each in result.unexplained}
