"""A copy for readers belongs to one store; whoever opens another one never reads it for that one's."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline import BadInputError, LedgerGuard
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.local import copies
from ledgerguard_pipeline.cli.embedded_sandbox import Embedded
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.guest.quickbooks_bronze import QuickBooksBronze
from ledgerguard_pipeline.errors import IngestionError
from ledgerguard_pipeline.ingestion.renewed_copy import RenewedCopy, replace_copies
from ledgerguard_pipeline.running_up import sandbox_settings
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, load, record

IDS = "SELECT id FROM bronze.invoice"


def books_in(home: Path, id: str) -> BronzeStore:
    """A home whose books have one invoice."""
    store = BronzeStore(home / "quickbooks.duckdb", load_settings().intuit_env)
    store.commit([load(record(id))])
    return store


def ids(copy: Path) -> list[tuple[str]]:
    with duckdb.connect(str(copy), read_only=True) as connection:
        return connection.execute(IDS).fetchall()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy that the environment asks for, of the books in home ``mine``."""
    path = tmp_path / "books.duckdb"
    monkeypatch.setenv("LEDGERGUARD_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("LEDGERGUARD_SNAPSHOT", str(path))
    books_in(tmp_path / "mine", "1").snapshot(path)
    return path


def test_another_home_has_a_copy_of_its_own(copy: Path, tmp_path: Path) -> None:
    books_in(tmp_path / "other", "2")
    with LedgerGuard.open(tmp_path / "other") as other, LedgerGuard.open() as mine:
        assert other.relation(IDS).fetchall() == other.sql(IDS).rows == [("2",)]
        assert mine.relation(IDS).fetchall() == mine.sql(IDS).rows == [("1",)]
        assert (other.settings.ledgerguard_snapshot, mine.settings.ledgerguard_snapshot) == (
            None,
            copy,
        )
    assert ids(copy) == [("1",)]


@pytest.mark.parametrize("home", ["mine", "other/../mine"])
def test_the_configured_home_has_the_copy_however_it_is_named(
    copy: Path, tmp_path: Path, home: str
) -> None:
    (tmp_path / "other").mkdir()
    with LedgerGuard.open(tmp_path / home) as mine:
        assert mine.settings.ledgerguard_snapshot == copy


def test_the_only_home_has_the_copy(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the program names a home, the setting can mean no other one."""
    monkeypatch.delenv("LEDGERGUARD_HOME")
    with LedgerGuard.open(tmp_path / "mine") as mine:
        assert mine.settings.ledgerguard_snapshot == copy


def test_the_copy_of_another_store_is_not_read_nor_replaced(copy: Path, tmp_path: Path) -> None:
    store = books_in(tmp_path / "other", "2")
    settings = {"ledgerguard_home": tmp_path / "other", "ledgerguard_snapshot": copy}
    with (
        LedgerGuard.open(tmp_path / "other", ledgerguard_snapshot=copy) as other,
        pytest.raises(BadInputError, match="but of another store"),
    ):
        other.pandas(IDS)
    renewed = RenewedCopy(store, copy)
    renewed.outdated()
    renewed.renew()
    assert renewed.needed
    with pytest.raises(IngestionError, match="copy of another Bronze store"):
        replace_copies(store, RealmId(REALM), kept=copy, own=None)
    replace_copies(
        store, RealmId(OTHER_REALM), kept=copy, own=None
    )  # it has nothing of this company
    assert ids(copy) == [("1",)]
    (finding,) = copies(load_settings(**settings))
    assert finding.state is CheckState.MISCONFIGURED
    assert "copy of another Bronze store" in finding.text


def test_the_homes_own_copy_is_replaced_though_bronze_was_begun_anew(
    copy: Path, tmp_path: Path
) -> None:
    replace_copies(books_in(tmp_path / "anew", "2"), RealmId(REALM), kept=None, own=copy)
    assert ids(copy) == [("2",)]


def test_a_copy_is_read_where_bronze_is_damaged(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "quickbooks.duckdb").write_bytes(b"x" * 20_000)
    with LedgerGuard.open() as mine:
        assert mine.relation(IDS).fetchall() == [("1",)]


def test_a_copy_of_the_other_environment_is_not_read_even_then(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "quickbooks.duckdb").write_bytes(b"x" * 20_000)
    with (
        LedgerGuard.open(intuit_env="production") as mine,
        pytest.raises(BadInputError, match="another store"),
    ):
        mine.relation(IDS)


def test_a_copy_is_read_while_nobody_can_say_whose_it_is(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loader that holds the file keeps no reader waiting for longer than a moment."""
    monkeypatch.setattr("ledgerguard_pipeline.library.COPY_WAIT_SECONDS", 120)
    held, over = threading.Event(), threading.Event()
    store = BronzeStore(tmp_path / "mine" / "quickbooks.duckdb", None)

    def hold() -> None:
        with store.workspace.read():
            held.set()
            over.wait(60)

    loader = threading.Thread(target=hold)
    loader.start()
    assert held.wait(60)
    try:
        with LedgerGuard.open() as mine:
            assert mine.relation(IDS).fetchall() == [("1",)]
        assert loader.is_alive(), "nobody waited for it to end"
    finally:
        over.set()
        loader.join()


def test_the_embedded_sandbox_never_replaces_the_real_copy(copy: Path, tmp_path: Path) -> None:
    embedded = Embedded(tmp_path / "demo", "app", "secret", "http://localhost:1", 8000)
    variables = embedded.variables(load_settings())
    assert "LEDGERGUARD_SNAPSHOT" not in variables
    # The file of an `up` of an older build, which still runs, names it.
    found = sandbox_settings(variables | {"LEDGERGUARD_SNAPSHOT": str(copy)})
    assert found.ledgerguard_snapshot is None
    assert found.ledgerguard_home == tmp_path / "demo"


def test_a_second_installation_names_a_copy_of_its_own(copy: Path, tmp_path: Path) -> None:
    first = QuickBooksBronze(home=str(tmp_path / "mine"))
    second = QuickBooksBronze(home=str(tmp_path / "eu"), snapshot=str(tmp_path / "eu.duckdb"))
    assert first.settings().ledgerguard_snapshot == copy
    assert second.settings().ledgerguard_snapshot == tmp_path / "eu.duckdb"
