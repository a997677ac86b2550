"""A fresh store per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Environment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "bronze.duckdb"


@pytest.fixture
def store(path: Path) -> BronzeStore:
    return BronzeStore(path, Environment.SANDBOX)
