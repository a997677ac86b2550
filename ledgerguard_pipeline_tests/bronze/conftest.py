"""A fresh store per test: a file, and for tests marked so also a lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address

ON_BOTH = pytest.mark.parametrize("place", ["file", "lake"], indirect=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "bronze.duckdb"


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    kind: str = getattr(request, "param", "file")
    return kind


@pytest.fixture
def store(place: str, path: Path, tmp_path: Path) -> Iterator[BronzeStore]:
    if place == "file":
        yield BronzeStore(path, Environment.SANDBOX)
        return
    with empty_lake(tmp_path / "lake") as url:
        yield BronzeStore(lake_address(url), Environment.SANDBOX)
