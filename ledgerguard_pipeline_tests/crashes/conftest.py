from __future__ import annotations

from collections.abc import Iterator

import pytest

# Their assertions say what differs only if pytest rewrites them, which it does by itself for tests.
pytest.register_assert_rewrite(
    *(f"{__package__}.{name}" for name in ("events", "grants", "rows", "stage"))
)

from ledgerguard_pipeline_tests.crashes.stage import Mortals  # noqa: E402  # after the line above


@pytest.fixture(scope="session")
def mortals() -> Iterator[Mortals]:
    """Processes that are killed, or that meet a full disk; one parent for all of them."""
    with Mortals() as running:
        yield running
