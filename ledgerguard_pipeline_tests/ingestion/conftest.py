"""What every test of this room gets."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def silver_has_its_own_tests(bronze_alone: None) -> None:
    """Bronze is proven here; a module whose tests read Silver too overrides ``bronze_alone``."""
