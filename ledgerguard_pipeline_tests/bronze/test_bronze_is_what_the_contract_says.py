from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import VERSION_COLUMNS, BronzeStore
from ledgerguard_pipeline.errors import BadInputError, BronzeError, WrongEnvironment
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record, tombstone

CONTRACT = [
    ("realm_id", "VARCHAR"),
    ("id", "VARCHAR"),
    ("sync_token", "VARCHAR"),
    ("state", "VARCHAR"),
    ("merged_into", "VARCHAR"),
    ("created_at", "TIMESTAMP WITH TIME ZONE"),
    ("last_updated_at", "TIMESTAMP WITH TIME ZONE"),
    ("payload", "VARCHAR"),
    ("payload_sha256", "VARCHAR"),
    ("source", "VARCHAR"),
    ("event_id", "VARCHAR"),
    ("request_id", "VARCHAR"),
    ("run_id", "VARCHAR"),
    ("load_id", "VARCHAR"),
    ("fetched_at", "TIMESTAMP WITH TIME ZONE"),
    ("loaded_at", "TIMESTAMP WITH TIME ZONE"),
]


def test_tables_and_views_have_the_columns_of_the_contract(store: BronzeStore) -> None:
    store.commit([load(entity="Purchase"), load(entity="Class")])
    for name in ("purchase", "purchase_current", "expense", "expense_current", "class"):
        rows = store.sql(f'DESCRIBE bronze."{name}"').rows
        assert [row[:2] for row in rows] == CONTRACT
    assert [column.name for column in VERSION_COLUMNS] == [name for name, _ in CONTRACT]


def test_a_row_can_be_traced(store: BronzeStore) -> None:
    store.commit([load(record("1"))])
    rows = store.sql("SELECT source, request_id, run_id, load_id FROM invoice").rows
    assert rows == [("query", "tid-1", "run-1", "load-1")]


def test_a_file_of_the_other_environment_is_refused_by_every_method(
    store: BronzeStore, path: Path, tmp_path: Path
) -> None:
    store.commit([load(record("1"))])
    production = BronzeStore(path, Environment.PRODUCTION)
    for use in (
        lambda: production.commit([load(record("2"))]),
        lambda: production.watermarks(REALM),
        production.counts,
        lambda: production.frame("Invoice"),
        lambda: production.sql("SELECT 1"),
        lambda: production.snapshot(tmp_path / "copy.duckdb"),
    ):
        with pytest.raises(WrongEnvironment, match=r"sandbox environment, but INTUIT_ENV is prod"):
            use()
    assert store.counts() == {"Invoice": 1}
    assert not (tmp_path / "copy.duckdb").exists()


def test_a_file_of_a_newer_layout_or_of_somebody_else_is_refused(
    store: BronzeStore, path: Path, tmp_path: Path
) -> None:
    store.commit([load(record("1"))])
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "UPDATE bronze.bronze._meta SET value = '99' WHERE key = 'schema_version'"
        )
    with pytest.raises(BronzeError, match="newer release"):
        store.commit([load(record("2"))])
    foreign = tmp_path / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE SCHEMA bronze")
    with pytest.raises(BronzeError, match="not a Bronze store"):
        BronzeStore(foreign, Environment.SANDBOX).counts()


def test_views_work_in_a_file_opened_by_hand_under_the_name_of_its_schema(
    store: BronzeStore, path: Path
) -> None:
    """DuckDB calls the catalog of ``bronze.duckdb`` bronze, as the schema."""
    store.commit([load(record("1", '{"PaymentType":"Cash"}'), entity="Purchase")])
    with duckdb.connect(str(path), read_only=True) as connection:
        for view in ("purchase_current", "expense", "expense_current"):
            rows = connection.execute(f"SELECT id FROM bronze.bronze.{view}").fetchall()
            assert rows == [("1",)]


def test_a_file_in_a_folder_with_quotes_works(tmp_path: Path) -> None:
    store = BronzeStore(tmp_path / "O'Hara's \"books\"" / "b.duckdb", Environment.SANDBOX)
    store.commit([load(record("1"))])
    assert store.counts() == {"Invoice": 1}


def test_a_load_larger_than_a_row_group_arrives_whole(store: BronzeStore) -> None:
    rows = [record(str(at)) for at in range(25_000)]
    [outcome] = store.commit([load(*rows)])
    assert outcome.written == 25_000
    [again] = store.commit([load(*rows[::-1])])
    assert (again.written, again.unchanged) == (0, 25_000)
    result = store.sql(
        "SELECT count(*), count(DISTINCT id), count(DISTINCT loaded_at) FROM invoice"
    )
    assert result.rows == [(25_000, 25_000, 1)]


def test_current_returns_headers_of_known_ids_only(store: BronzeStore) -> None:
    store.commit([load(record("1", token="3"), tombstone("2", updated=1, read=1))])
    found = store.current(REALM, "Invoice", ["1", "2", "nope'; DROP TABLE invoice"])
    assert set(found) == {"1", "2"}
    assert found["1"].sync_token == "3"


def test_sql_answers_reading_statements(store: BronzeStore) -> None:
    store.commit([load(*(record(str(at)) for at in range(5)))])
    answer = store.sql("SELECT id, state FROM bronze.invoice_current ORDER BY id", limit=2)
    assert answer.columns == ["id", "state"]
    assert answer.rows == [("0", "active"), ("1", "active")]
    for statement in (
        "-- a comment\nWITH a AS (SELECT 1) SELECT * FROM a;",
        "/* so */ (SELECT count(*) FROM invoice)",
        "FROM invoice LIMIT 1",
        "DESCRIBE invoice",
        "SHOW TABLES",
        "SUMMARIZE invoice",
        "VALUES (1)",
    ):
        assert store.sql(statement).rows


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "  ;",
        "-- only a comment",
        "SELECT 1; SELECT 2",
        "INSERT INTO invoice SELECT * FROM invoice",
        "WITH a AS (SELECT 1) INSERT INTO _meta SELECT 'a', 'b'",
        "DROP TABLE invoice",
        "SET threads = 1",
        "PRAGMA version",
        "PRAGMA database_list",
        "ATTACH 'x.duckdb'",
        "COPY invoice TO 'x.csv'",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "SELECT 1; DROP TABLE invoice",
        "CHECKPOINT",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELEC 1",
        "SELECT * FROM no_such_table",
        "SELECT id::INT FROM bronze.invoice WHERE id = 'x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
    ],
)
def test_sql_refuses_everything_else_in_one_sentence(store: BronzeStore, statement: str) -> None:
    store.commit([load(record("x"))])
    with pytest.raises(BadInputError) as caught:
        store.sql(statement)
    assert "\n" not in str(caught.value)
    assert store.counts() == {"Invoice": 1}


def test_sql_before_the_first_load_says_what_to_do(store: BronzeStore) -> None:
    with pytest.raises(BadInputError, match="run `ledgerguard sync` first"):
        store.sql("SELECT 1")


def test_a_snapshot_is_a_consistent_copy_that_replaces_the_old_one_at_once(
    store: BronzeStore, path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.duckdb"
    store.commit([load(record("1"))])
    assert store.snapshot(target) == target
    with duckdb.connect(str(target), read_only=True) as reader:
        store.commit([load(record("2"))])
        (tmp_path / "copy.duckdb.wal").write_bytes(b"left over")
        store.snapshot(target)
        # Whoever had the old copy open keeps reading it.
        assert reader.execute("SELECT id FROM bronze.invoice").fetchall() == [("1",)]
    with duckdb.connect(str(target)) as reader:
        rows = reader.execute("SELECT id FROM bronze.invoice_current ORDER BY id").fetchall()
        assert rows == [("1",), ("2",)]
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["copy.duckdb"]
    assert BronzeStore(target, Environment.SANDBOX).counts() == {"Invoice": 2}


def test_a_snapshot_needs_a_sensible_target(store: BronzeStore, path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="sync"):
        store.snapshot(tmp_path / "copy.duckdb")
    store.commit([load(record("1"))])
    (tmp_path / "link.duckdb").symlink_to(path)
    for target in (path, tmp_path, tmp_path / "nowhere" / "x.duckdb", tmp_path / "link.duckdb"):
        with pytest.raises(BadInputError):
            store.snapshot(target)
    assert store.counts() == {"Invoice": 1}
