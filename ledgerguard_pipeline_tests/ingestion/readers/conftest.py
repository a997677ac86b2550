"""What every test of this room gets."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bronze_alone(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bronze is proven here. Silver, which a first load spends most of its time on, has its own tests."""
    del clean_environment  # it empties the environment first
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")
