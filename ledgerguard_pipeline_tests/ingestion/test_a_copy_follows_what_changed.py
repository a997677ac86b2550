from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.ingestion.renewed_copy import RenewedCopy
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import connect

KEPT = "Class"


def rows(copy: Path) -> int:
    with duckdb.connect(str(copy), read_only=True) as connection:
        (count,) = connection.execute("SELECT count(*) FROM bronze.class").fetchone() or (0,)
    return int(count)


@pytest.fixture
def copying(home: Path, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Installation]:
    """One small entity type, and a copy of the books after each sync."""
    settings = load_settings(
        ledgerguard_home=home, intuit_client_id=sandbox.client_id,
        intuit_client_secret=sandbox.client_secret, intuit_base_url=sandbox.base_url,
        ledgerguard_entities=(KEPT,), ledgerguard_silver="off",
        ledgerguard_snapshot=tmp_path / "copies" / "books.duckdb",
    )  # fmt: skip
    with Installation.open(settings) as installation:
        connect(installation, sandbox)
        yield installation


def test_a_copy_that_cannot_be_made_fails_no_sync_and_the_next_one_makes_it(
    copying: Installation, sandbox: SandboxServer, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    copy = folder / "books.duckdb"
    service = copying.service(copying.control.companies.list()[0].realm_id)

    assert service.run_batch_ingestion().errors == [], "there is no such folder"
    folder.mkdir()
    copy.mkdir()
    sandbox.edit("create", KEPT)
    assert service.run_batch_ingestion().errors == [], "something else is in its place"
    copy.rmdir()
    assert service.run_batch_ingestion().errors == []
    assert rows(copy) == len(sandbox.truth(KEPT).rows), "although nothing changed since"
    assert [each.name for each in folder.iterdir()] == [copy.name]


def test_a_copy_is_renewed_by_each_sync_that_changed_something(
    copying: Installation, sandbox: SandboxServer, tmp_path: Path
) -> None:
    copy = tmp_path / "copies" / "books.duckdb"
    copy.parent.mkdir()
    service = copying.service(copying.control.companies.list()[0].realm_id)
    service.run_batch_ingestion()
    loaded, first = rows(copy), copy.stat().st_ino
    service.run_batch_ingestion()
    assert copy.stat().st_ino == first, "nothing changed, nothing was copied"

    with duckdb.connect(str(copy), read_only=True) as reader:
        sandbox.edit("create", KEPT)
        service.run_batch_ingestion()
        (seen,) = reader.execute("SELECT count(*) FROM bronze.class").fetchone() or (0,)
        assert seen == loaded, "whoever has it open keeps what was opened"
    assert rows(copy) == loaded + 1


def test_a_copy_that_failed_is_made_by_the_next_sync(tmp_path: Path, bronze: BronzeStore) -> None:
    folder = tmp_path / "missing"
    copy = RenewedCopy(bronze, folder / "books.duckdb")
    copy.renew()
    folder.mkdir()
    copy.renew()
    assert (folder / "books.duckdb").exists()
    copy.outdated()
    (folder / "books.duckdb").write_bytes(b"")
    copy.renew()
    assert (folder / "books.duckdb").stat().st_size > 0
    assert [each.name for each in folder.iterdir()] == ["books.duckdb"]


def test_a_copy_whose_folder_is_a_file_fails_nothing(tmp_path: Path, bronze: BronzeStore) -> None:
    (tmp_path / "file").touch()
    copy = RenewedCopy(bronze, tmp_path / "file" / "books.duckdb")
    copy.outdated()
    copy.renew()
    assert copy.needed


@pytest.fixture
def bronze(tmp_path: Path) -> BronzeStore:
    from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze

    return make_bronze(tmp_path / "quickbooks.duckdb")


def test_a_copy_that_was_interrupted_is_made_by_the_next_sync(
    tmp_path: Path, bronze: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = RenewedCopy(bronze, tmp_path / "copy.duckdb")
    bronze.snapshot(tmp_path / "copy.duckdb")
    old = (tmp_path / "copy.duckdb").stat().st_ino
    copy.outdated()

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as held:
        held.setattr(bronze, "snapshot", interrupted)
        with pytest.raises(KeyboardInterrupt):
            copy.renew()
    RenewedCopy(bronze, tmp_path / "copy.duckdb").renew()
    made = (tmp_path / "copy.duckdb").stat().st_ino
    assert made != old
    copy.renew()
    assert (tmp_path / "copy.duckdb").stat().st_ino == made, "once"
    assert not list(tmp_path.glob(".copy*"))


def test_a_copy_has_a_name_that_duckdb_can_tell_from_its_schema() -> None:
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_SNAPSHOT"):
        load_settings(ledgerguard_snapshot="bronze.duckdb")


def test_a_copy_is_no_second_name_of_bronze(tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="is the file Bronze itself is in"):
        load_settings(
            ledgerguard_home=tmp_path,
            ledgerguard_snapshot=tmp_path / "there" / "quickbooks.duckdb",
        )


def test_a_relative_path_means_the_folder_it_was_given_in() -> None:
    assert load_settings(ledgerguard_snapshot="books.duckdb").ledgerguard_snapshot == (
        Path.cwd() / "books.duckdb"
    )


@pytest.mark.parametrize(
    "environment,asked,shown",
    [
        ("production", None, False), ("sandbox", None, True),
        ("production", "on", True), ("sandbox", "off", False),
    ],
)  # fmt: skip
def test_samples_of_real_books_are_shown_only_where_somebody_says_so(
    environment: str, asked: str | None, shown: bool
) -> None:
    given = {} if asked is None else {"ledgerguard_samples": asked}
    assert load_settings(intuit_env=environment, **given).shows_samples is shown
