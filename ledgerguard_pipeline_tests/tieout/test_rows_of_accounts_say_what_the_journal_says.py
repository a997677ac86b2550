"""L5: an account's row in Bronze that says another balance than the journal is a warning."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import dagster as dg
import duckdb
import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.defs.tieout.checks import ACCOUNT_BALANCES, judged
from ledgerguard_pipeline.tieout.account_levels.balances import OLD
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level
from ledgerguard_pipeline.tieout.newer import NEWER
from ledgerguard_pipeline.tieout.proof import Proof, ProofResult, ProofState
from ledgerguard_pipeline.tieout.record import books_of
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, Books
from ledgerguard_pipeline_tests.tieout.documents import one


def proof_of(books: Books) -> Proof:
    return Proof(books.client, books.store, books.realm, SYSTEM_CLOCK)


def of_accounts(result: ProofResult) -> list[Difference]:
    return [each for each in result.differences if each.level is Level.ACCOUNT_BALANCES]


def execute(books: Books, statement: str, *values: object) -> None:
    with duckdb.connect(str(books.file)) as connection:
        connection.execute(statement, list(values))


def write_balance(books: Books, id: str, written: object) -> None:
    """Let the row of an account say so; it is left out where None."""
    (payload,) = one(books, f"SELECT payload FROM bronze.account_current WHERE id = '{id}'")
    document = json.loads(payload)
    document.pop("CurrentBalance", None)
    if written is not None:
        document["CurrentBalance"] = written
    execute(books, "UPDATE bronze.account SET payload = ? WHERE id = ?", json.dumps(document), id)


@pytest.fixture
def bank(documents: Books) -> tuple[str, Decimal]:
    """An account that stands at something, and at what."""
    found = documents.journal_balances()
    (id, _) = one(
        documents,
        "SELECT id, payload FROM bronze.account_current WHERE (payload->>'$.AccountType') = 'Bank' "
        f"AND list_contains({list(found)!r}, id) ORDER BY id LIMIT 1",
    )
    return id, found[id]


def test_sound_rows_agree_and_an_old_one_is_a_warning_that_breaks_nothing(
    documents: Books, bank: tuple[str, Decimal]
) -> None:
    id, balance = bank
    assert of_accounts(proof_of(documents).run([OCTOBER])) == []
    write_balance(documents, id, float(balance - 1))
    result = proof_of(documents).run([OCTOBER])
    assert result.state is ProofState.TIED_OUT
    (found,) = of_accounts(result)
    assert (found.key, found.ours, found.theirs) == (id, balance, balance - 1)
    assert (found.kind, found.warning) == (DifferenceClass.UNEXPLAINED, "old_balance")
    assert found.message.startswith(f"Account {id} {found.name}, ")
    assert found.message.endswith(f"difference 1.00. {OLD}")
    assert "old_balance" in {each.kind for each in books_of(result).classes}
    check = judged(ACCOUNT_BALANCES, [(documents.realm, found)], [])
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == f"{documents.realm}: {found.message}"
    write_balance(documents, id, float(balance))
    assert of_accounts(proof_of(documents).run([OCTOBER])) == []


def test_a_row_that_changed_after_the_last_sync_has_its_class(
    documents: Books, bank: tuple[str, Decimal]
) -> None:
    id, balance = bank
    write_balance(documents, id, float(balance + 7))
    execute(
        documents,
        "UPDATE bronze.account SET last_updated_at = last_updated_at - INTERVAL 1 DAY WHERE id = ?",
        id,
    )
    (was,) = one(
        documents, f"SELECT max(last_updated_at) FROM bronze.account_current WHERE id = '{id}'"
    )
    execute(
        documents,
        "UPDATE bronze._watermarks SET watermark = CAST(? AS TIMESTAMPTZ) WHERE entity = 'Account'",
        was,
    )
    (found,) = of_accounts(proof_of(documents).run([OCTOBER]))
    assert (found.kind, found.explanation) == (DifferenceClass.SNAPSHOT_MOVED, NEWER)


@pytest.mark.parametrize("days, agrees", [(60, True), (0, True), (-40, False)])
def test_transactions_of_the_future_may_count_or_not(
    documents: Books, bank: tuple[str, Decimal], days: int, agrees: bool
) -> None:
    id, balance = bank
    type_, txn, amount = one(
        documents,
        "SELECT txn_type, txn_id, sum(amount) FROM silver.journal "
        f"WHERE account_id = '{id}' GROUP BY ALL HAVING sum(amount) <> 0 ORDER BY ALL LIMIT 1",
    )
    day = SYSTEM_CLOCK.now().date() + timedelta(days=days)
    execute(
        documents,
        "UPDATE silver.journal SET posted_on = ? WHERE txn_type = ? AND txn_id = ?",
        day, type_, txn,
    )  # fmt: skip
    balances = proof_of(documents).bench.balances
    assert balances.compare() == []
    write_balance(documents, id, float(balance - Decimal(amount)))
    found = proof_of(documents).bench.balances.compare()
    assert [each.key for each in found] == ([] if agrees else [id])


def test_rows_that_say_nothing_are_not_compared(
    documents: Books, bank: tuple[str, Decimal]
) -> None:
    rows = documents.store.sql(
        "SELECT id FROM bronze.account_current WHERE (payload->>'$.Classification') IN "
        "('Revenue', 'Expense') OR (payload->>'$.AccountSubType') = 'RetainedEarnings'"
    ).rows
    assert len(rows) > 2
    for (id,) in rows:
        write_balance(documents, str(id), 12.5)
    for nothing in (None, "", "much", "NaN"):
        write_balance(documents, bank[0], nothing)
        assert proof_of(documents).bench.balances.compare() == []
    write_balance(documents, bank[0], str(bank[1]))
    assert proof_of(documents).bench.balances.compare() == []
