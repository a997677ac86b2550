"""A home of 0.1.0, its company, and this version opened on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.upgrade.served import LaterClock, serve_again, unpack_home


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The company of the home, served again."""
    with serve_again() as server:
        yield server


@pytest.fixture
def settings(home: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of the home that 0.1.0 left, also in the environment."""
    unpack_home(home)
    for name, value in {
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
        "INTUIT_ENV": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings(ledgerguard_home=home)


@pytest.fixture
def upgraded(settings: Settings) -> Iterator[Installation]:
    """This version, opened on the home of 0.1.0 two hours after that was stopped."""
    with Installation.open(settings, clock=LaterClock()) as opened:
        yield opened
