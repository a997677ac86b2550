"""What every test gets: an environment of its own, no network beyond loopback, a sandbox."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

import pytest

from ledgerguard_pipeline.settings import Settings, load_settings

OWN_PREFIXES = ("INTUIT_", "LEDGERGUARD_", "DAGSTER_")


def _refuse_the_internet(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {host}; tests talk to loopback only")


sys.addaudithook(_refuse_the_internet)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting of the machine leaks in: no variables, no ``.env``, a working folder of its own.

    Returns the working folder.
    """
    for name in os.environ:
        if name.upper().startswith(OWN_PREFIXES):
            monkeypatch.delenv(name)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``LEDGERGUARD_HOME``, also in the environment for commands a test starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LEDGERGUARD_HOME", str(folder))
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings of an installation in ``home`` that knows no app credentials yet."""
    return load_settings(ledgerguard_home=home)
