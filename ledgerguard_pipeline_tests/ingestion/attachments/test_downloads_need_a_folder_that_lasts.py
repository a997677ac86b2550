"""Where nothing of an installation is kept in its home, attached files are not either."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.local import attached_files
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.ingestion.attachments.folder import open_folder
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import RealmId

SERVERS = {
    "ledgerguard_control_url": "postgresql://nobody@127.0.0.1:1/control",
    "ledgerguard_bronze_url": "ducklake:postgres:host=127.0.0.1 port=1 dbname=lake;data=s3://books/lake",
    "ledgerguard_attachments": "files",
}


def test_a_home_that_may_vanish_gets_no_files(tmp_path: Path) -> None:
    """The next pod would find none of them, and fetch all of them again, every hour."""
    settings = load_settings(ledgerguard_home=tmp_path / "home", **SERVERS)
    (finding,) = attached_files(settings)
    assert finding.state is CheckState.MISCONFIGURED
    with (
        Installation.open(settings) as installation,
        pytest.raises(ConfigurationError, match="Set LEDGERGUARD_ATTACHMENTS_URL to"),
        installation.attachment_loads(RealmId("9341453474484455")),
    ):
        pass
    assert open_folder(settings).name.startswith(str(tmp_path)), "what is there can still be listed"


@pytest.mark.parametrize(
    "other",
    [
        {"ledgerguard_attachments_url": "s3://books/files"},
        {"ledgerguard_attachments_url": "/data/shared/attachments"},
        {"ledgerguard_control_url": None},
        {"ledgerguard_control_url": "sqlite:////data/shared/control.db"},
        {"ledgerguard_bronze_url": None},
        {"ledgerguard_bronze_url": "duckdb:////data/shared/books.duckdb"},
    ],
)
def test_a_folder_that_is_named_or_a_home_that_is_kept_gets_them(
    tmp_path: Path, other: dict[str, str | None]
) -> None:
    settings = load_settings(**{"ledgerguard_home": tmp_path, **SERVERS, **other})
    assert not settings.attachments_may_vanish
    assert attached_files(settings) == []


def test_nothing_is_said_of_files_that_nobody_wants(tmp_path: Path) -> None:
    asked = {"ledgerguard_home": tmp_path, **SERVERS, "ledgerguard_attachments": "metadata"}
    assert attached_files(load_settings(**asked)) == []
