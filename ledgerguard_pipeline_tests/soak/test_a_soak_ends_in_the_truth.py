"""Two minutes of faults, edits and kills end with every promise kept: with a known seed and a new one."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.soak.run import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_200)]


def test_two_minutes_with_a_fixed_seed(tmp_path: Path) -> None:
    found = soak(tmp_path, minutes=2, seed=1, loud=False)
    assert found.held, found.text()


def test_two_minutes_with_a_new_seed(tmp_path: Path) -> None:
    found = soak(tmp_path, minutes=2, seed=secrets.randbelow(1_000_000), loud=False)
    assert found.held, found.text()
