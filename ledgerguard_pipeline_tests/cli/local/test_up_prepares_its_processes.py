from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.local import up
from ledgerguard_pipeline.cli.local.child_processes import Children, StopRequested, StopSignal
from ledgerguard_pipeline.config.process_tuning import LONG_LIVED
from ledgerguard_pipeline.config.settings import load_settings

PORTS = {"web": 8000, "dagster": 3000}


def test_the_home_is_its_owners_alone_from_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    def started(_children: Children, _name: str, _command: list[str], more: dict[str, str]) -> None:
        seen.append(more)
        raise StopRequested

    monkeypatch.setattr(Children, "start", started)
    with StopSignal() as stop, pytest.raises(StopRequested):
        up._run(load_settings(), stop, PORTS)

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert seen[0]["LEDGERGUARD_HOME"] == str(home)
    assert seen[0]["LEDGERGUARD_DAGSTER_URL"] == "http://localhost:3000"
    assert LONG_LIVED.items() <= seen[0].items()


def test_links_somebody_chose_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERGUARD_DAGSTER_URL", "https://dagster.example.com")
    assert up._links(load_settings(), PORTS) == {}


def test_another_terminal_names_the_home_of_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGERGUARD_HOME", "my books")
    assert up._with_its_home("ledgerguard") == "LEDGERGUARD_HOME='my books' ledgerguard"
    monkeypatch.delenv("LEDGERGUARD_HOME")
    assert up._with_its_home("ledgerguard") == "ledgerguard"


@pytest.mark.parametrize(
    "uri,port,wrong",
    [
        ("http://localhost:8000/api/v1/auth/callback", 8321, True),
        ("http://localhost:8000/api/v1/auth/callback", 8000, False),
        ("https://books.example.com/api/v1/auth/callback", 8321, False),
    ],
)
def test_people_are_sent_back_to_the_page_or_it_says_so(
    monkeypatch: pytest.MonkeyPatch, uri: str, port: int, wrong: bool
) -> None:
    monkeypatch.setenv("INTUIT_REDIRECT_URI", uri)
    said = up._redirected_elsewhere(load_settings(), port)
    assert (said is not None) == wrong
    if said is not None:
        assert "INTUIT_REDIRECT_URI=http://localhost:8321/api/v1/auth/callback" in said
