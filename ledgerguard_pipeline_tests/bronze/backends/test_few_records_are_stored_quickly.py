"""Tables of symbols for text are worth their time where there are many rows, and only there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.storage import DuckDBStorage
from ledgerguard_pipeline_tests.silver.books import Books


@pytest.mark.parametrize("records, expected", [(4_500, False), (9_000, True)])
def test_only_a_large_commit_looks_for_symbols(
    tmp_path: Path, records: int, *, expected: bool
) -> None:
    path = tmp_path / "quickbooks.duckdb"
    books = Books(DuckDBStorage(path, "sandbox", silver=False))
    books.write(
        "Term", {f"{number:018}": {"Name": f"Net {number}"} for number in range(1, records + 1)}
    )
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT DISTINCT compression FROM pragma_storage_info('bronze.term') "
            "WHERE column_name = 'id' AND segment_type = 'VARCHAR'"
        ).fetchall()
    assert (("FSST",) in found) is expected, found
