"""What a comparison leaves in ``silver``: described column by column, and legs with their accounts."""

from __future__ import annotations

from ledgerguard_pipeline.silver.books_tables import BOOKS_TABLES
from ledgerguard_pipeline.silver.relations import relations
from ledgerguard_pipeline_tests.tieout.books import Books

_SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def test_every_table_and_view_is_described_as_it_is(documents: Books) -> None:
    there: dict[str, list[tuple[str, str]]] = {}
    for name, column, kind in documents.store.sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'silver' ORDER BY table_name, ordinal_position"
    ).rows:
        if not str(name).startswith("_"):
            found = there.setdefault(str(name), [])
            found.append((str(column), _SHORT.get(str(kind), str(kind))))
    assert {each.name for each in BOOKS_TABLES} <= there.keys()
    for name, columns in there.items():
        described = relations()[f"silver.{name}"]
        assert [(each.name, each.type) for each in described.columns] == columns
        assert all(each.meaning for each in described.columns), name


def test_no_key_of_the_books_stands_twice(documents: Books) -> None:
    for each in BOOKS_TABLES:
        key = ", ".join(each.key)
        twice = documents.store.sql(
            f"SELECT {key} FROM silver.{each.name} GROUP BY ALL HAVING count(*) > 1"
        ).rows
        assert twice == [], each.name


def test_a_leg_knows_its_account_and_whether_it_raises_it(documents: Books) -> None:
    assert (
        documents.store.sql(
            "SELECT count(*), sum(debit), sum(credit), sum(amount) FROM silver.journal_line"
        ).rows
        == documents.store.sql(
            "SELECT count(*), sum(debit), sum(credit), sum(amount) FROM silver.journal"
        ).rows
    )
    wrong = documents.store.sql(
        "SELECT leg.account_id FROM silver.journal_line AS leg LEFT JOIN silver.dim_account AS account "
        "ON account.realm_id = leg.realm_id AND account.account_id = leg.account_id "
        "WHERE account.path IS NULL OR leg.account_path <> account.path "
        "OR leg.root_type <> account.root_type OR leg.effect <> account.sign * leg.amount"
    ).rows
    assert wrong == []
    sides = documents.store.sql(
        "SELECT DISTINCT effect = amount FROM silver.journal_line WHERE amount <> 0"
    ).rows
    assert {side for (side,) in sides} == {True, False}
