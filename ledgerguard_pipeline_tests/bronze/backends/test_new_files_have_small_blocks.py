"""A block is the least a table takes; most of a company's tables hold a few rows."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ledgerguard_pipeline.bronze.backends.duckdb_file import BLOCK_BYTES
from ledgerguard_pipeline_tests.silver.books import Books, store_at

BY_DEFAULT = 262_144


def block_bytes(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("SELECT block_size FROM pragma_database_size()").fetchone()
    assert row is not None
    return int(row[0])


def test_a_new_file_has_small_blocks(tmp_path: Path) -> None:
    path = tmp_path / "quickbooks.duckdb"
    Books(store_at(path)).write("Term", {"1": {"Name": "Net 30"}})
    assert block_bytes(path) == BLOCK_BYTES < BY_DEFAULT


def test_an_older_file_keeps_its_blocks_and_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "quickbooks.duckdb"
    duckdb.connect(str(path)).close()
    assert block_bytes(path) == BY_DEFAULT
    books = Books(store_at(path))
    books.write("Term", {"1": {"Name": "Net 30"}})
    assert books.store.count("Term") == 1
    assert block_bytes(path) == BY_DEFAULT
