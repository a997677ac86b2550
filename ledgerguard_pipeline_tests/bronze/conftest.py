"""A fresh store per test, on a file and on a lake.

Every test of what both places promise runs on both. A commit to a lake takes ten times as long
as one to a file, so by default a few tests of each promise do; the others wait for ``-m slow``.
A test that asks for ``path`` looks into the file itself and runs on the file only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address, wipe

ALWAYS_ON_LAKES = {
    "test_a_company_of_an_older_layout_is_healed_alone_and_once",
    "test_a_difference_of_names_is_stored_and_counted_apart_from_updates",
    "test_a_forgotten_company_leaves_no_row_in_any_table",
    "test_a_good_version_resolves_its_quarantine",
    "test_an_id_with_nul_is_quarantined_and_later_loads_go_on",
    "test_a_new_walk_forgets_what_the_one_before_saw",
    "test_a_reject_is_kept_with_its_exact_bytes",
    "test_another_companys_commit_does_not_keep_it_from_being_forgotten",
    "test_a_watermark_never_moves_back",
    "test_an_older_copy_of_the_same_store_gives_way",
    "test_every_number_is_a_decimal_of_its_own_text",
    "test_every_record_of_a_load_is_accounted_for",
    "test_expense_follows_a_purchase_that_becomes_a_check",
    "test_later_a_new_field_or_kind_is_reported_once",
    "test_running_a_load_again_changes_nothing",
    "test_tables_and_views_have_the_columns_of_the_contract",
    "test_the_same_id_of_two_companies_is_two_objects",
    "test_times_are_instants_with_microseconds",
    "test_versions_stay_in_order_when_the_wall_clock_steps_back",
}
FILES_ONLY = {
    # The lakes of tests were used before.
    "test_a_store_without_a_file_is_empty_and_reading_makes_none",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" not in metafunc.fixturenames or "path" in metafunc.fixturenames:
        return
    name = metafunc.function.__name__
    backends: list[object] = ["file"]
    if name in ALWAYS_ON_LAKES:
        backends.append("lake")
    elif name not in FILES_ONLY:
        backends.append(pytest.param("lake", marks=pytest.mark.slow))
    metafunc.parametrize("backend", backends, indirect=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "bronze.duckdb"


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = getattr(request, "param", "file")
    return kind


@pytest.fixture(scope="session")
def used_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One lake for all tests of this process, emptied before each."""
    with empty_lake(tmp_path_factory.mktemp("lake")) as url:
        yield url


@pytest.fixture
def lake_url(used_lake: str) -> str:
    wipe(used_lake)
    return used_lake


@pytest.fixture
def store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> BronzeStore:
    if backend == "lake":
        url: str = request.getfixturevalue("lake_url")
        return BronzeStore(lake_address(url), Environment.SANDBOX)
    return BronzeStore(tmp_path / "home" / "bronze.duckdb", Environment.SANDBOX)
