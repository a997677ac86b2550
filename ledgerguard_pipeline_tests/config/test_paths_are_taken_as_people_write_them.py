"""``~`` in a setting is the user's folder, wherever the setting stands; a file of settings is text."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.app import run
from ledgerguard_pipeline.config.attachments_url import parse_attachments_url
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.copied import copy_control_plane
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.errors import ConfigurationError

NOBODY = "~nobody-of-that-name/books"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, apart from the user's own."""
    own, working = tmp_path / "own", tmp_path / "working"
    for each in (own, working):
        each.mkdir()
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.delenv("LEDGERGUARD_HOME", raising=False)
    monkeypatch.chdir(working)
    return own


def test_every_path_may_begin_at_the_users_folder(folder: Path) -> None:
    Path(".env").write_text(
        "LEDGERGUARD_HOME=~/books\n"
        "LEDGERGUARD_BRONZE_URL=duckdb:///~/bronze/quickbooks.duckdb\n"
        "LEDGERGUARD_SNAPSHOT=~/copy.duckdb\n"
        "LEDGERGUARD_CONNECT_BUTTON=~/button.svg\n"
        "LEDGERGUARD_ATTACHMENTS_URL=~/files\n"
    )
    found = load_settings()
    assert found.ledgerguard_home == folder / "books"
    assert found.bronze_address == folder / "bronze/quickbooks.duckdb"
    assert found.ledgerguard_snapshot == folder / "copy.duckdb"
    assert found.ledgerguard_connect_button == folder / "button.svg"
    assert parse_attachments_url(str(found.ledgerguard_attachments_url)) == folder / "files"
    lake = load_settings(ledgerguard_bronze_url="ducklake:postgres:dbname=lake;data=~/lake")
    assert isinstance(lake.bronze_address, LakeAddress)
    assert lake.bronze_address.data == f"{folder}/lake/"
    assert Database("sqlite:///~/control.db").url.database == f"{folder}/control.db"


@pytest.mark.parametrize(
    "name,value",
    [
        ("LEDGERGUARD_HOME", NOBODY),
        ("LEDGERGUARD_BRONZE_URL", f"duckdb:///{NOBODY}"),
        ("LEDGERGUARD_BRONZE_URL", f"ducklake:postgres:dbname=lake;data={NOBODY}"),
        ("LEDGERGUARD_SNAPSHOT", f"{NOBODY}.duckdb"),
        ("LEDGERGUARD_ATTACHMENTS_URL", NOBODY),
        ("LEDGERGUARD_CONTROL_URL", f"sqlite:///{NOBODY}"),
        ("LEDGERGUARD_CONTROL_URL", "postgresql://user:hidden@host:port/control"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_setting_to_correct(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert run(["companies"]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "hidden" not in said
    assert list(folder.iterdir()) == []


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    homes = tmp_path / "homes"
    home = homes / "what's 100% ours? a=1&b=ü #"
    with ControlPlane.open(load_settings(ledgerguard_home=home)) as control:
        control.companies.list()
    assert (home / "control.db").is_file()
    (tmp_path / "copy").mkdir()
    made = copy_control_plane(load_settings(ledgerguard_home=home), tmp_path / "copy")
    assert made == [tmp_path / "copy" / "control.db"]
    assert list(homes.iterdir()) == [home]


@pytest.mark.usefixtures("folder")
def test_a_file_of_settings_in_another_encoding_is_refused() -> None:
    Path(".env").write_bytes(codecs.BOM_UTF16_LE + "INTUIT_CLIENT_ID=a".encode("utf-16-le"))
    with pytest.raises(ConfigurationError, match=r"\.env is no text in UTF-8"):
        load_settings()
    Path(".env").write_bytes(codecs.BOM_UTF8 + b"INTUIT_CLIENT_ID=a\r\n")
    assert load_settings().intuit_client_id == "a"
