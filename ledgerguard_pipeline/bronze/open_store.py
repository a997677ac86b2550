"""The Bronze store of an installation."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.backends.duckdb_file import Noticed
from ledgerguard_pipeline.bronze.backends.kept_instance import Connect
from ledgerguard_pipeline.bronze.follower import Follower
from ledgerguard_pipeline.bronze.layout import other_environment
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.values import Environment


def open_bronze(
    settings: Settings,
    *,
    clock: Clock = SYSTEM_CLOCK,
    lock_wait_seconds: float = 60.0,
    connect: Connect | None = None,
    noticed: Noticed | None = None,
    follower: Follower | None = None,
    kind: type[BronzeStore] = BronzeStore,
) -> BronzeStore:
    """The store these settings name; nothing is opened before it is used.

    ``kind`` is the class to make; ``noticed`` is called when a file cannot be opened, and when it can (again).

    Raises:
        ConfigurationError: ``LEDGERGUARD_BRONZE_URL`` is not usable.
    """
    return kind(
        settings.bronze_address,
        settings.intuit_env,
        clock=clock,
        lock_wait_seconds=lock_wait_seconds,
        connect=connect,
        noticed=noticed,
        follower=follower,
    )


def serve(store: BronzeStore, environment: Environment) -> None:
    """Let a store take companies of this environment.

    Raises:
        WrongEnvironment: it is known to be the other one's.
    """
    if store.environment is None:
        store.environment = environment
    elif store.environment is not environment:
        raise other_environment(store.name, store.environment, environment)
