"""The Bronze store of an installation."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.backends.duckdb_file import Connect, Noticed
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings


def open_bronze(
    settings: Settings,
    *,
    clock: Clock = SYSTEM_CLOCK,
    lock_wait_seconds: float = 60.0,
    connect: Connect | None = None,
    noticed: Noticed | None = None,
) -> BronzeStore:
    """The store these settings name; nothing is opened before it is used.

    ``noticed`` is called when a file cannot be opened, and when it can (again).

    Raises:
        ConfigurationError: ``LEDGERGUARD_BRONZE_URL`` is not usable.
    """
    return BronzeStore(
        settings.bronze_address,
        settings.intuit_env,
        clock=clock,
        lock_wait_seconds=lock_wait_seconds,
        connect=connect,
        noticed=noticed,
    )
