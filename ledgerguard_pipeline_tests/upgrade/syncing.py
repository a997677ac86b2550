"""A sync of the upgraded home in a process of its own, so that a test can kill it."""

from __future__ import annotations

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline_tests.ingestion.company_books import failures, sync
from ledgerguard_pipeline_tests.upgrade.served import LaterClock


def main() -> None:
    """Sync everything, two hours after 0.1.0 was stopped."""
    with Installation.open(load_settings(), clock=LaterClock()) as installation:
        assert failures(sync(installation)) == {}


if __name__ == "__main__":
    main()
