from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.silver.books import Books, store_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


@pytest.fixture
def books(path: Path) -> Books:
    return Books(store_at(path))
