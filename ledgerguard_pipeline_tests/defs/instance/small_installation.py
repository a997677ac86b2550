"""The variables of an installation that keeps invoices alone, for processes that tests start."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer


def invoices_alone(home: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Set them for this process and its children; the settings they make."""
    for name, text in {
        "LEDGERGUARD_HOME": str(home),
        "LEDGERGUARD_ENTITIES": "Invoice",
        "LEDGERGUARD_SILVER": "off",
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
    }.items():
        monkeypatch.setenv(name, text)
    return load_settings()
