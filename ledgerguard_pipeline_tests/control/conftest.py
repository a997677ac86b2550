"""Every store's promises are checked on SQLite and on PostgreSQL by the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.settings import Settings
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.postgres import postgres_database

OpenPlane = Callable[..., ControlPlane]


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """Settings of an installation on each kind of store."""
    if request.param == "sqlite":
        yield settings
        return
    with postgres_database() as url:
        yield settings.model_copy(update={"ledgerguard_control_url": SecretStr(url)})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_plane(store_settings: Settings) -> Iterator[OpenPlane]:
    """Opens control planes of one installation; all are closed at the end."""
    with ExitStack() as stack:

        def opener(*, clock: Clock | None = None, **changes: object) -> ControlPlane:
            settings = store_settings.model_copy(update=changes)
            plane = (
                ControlPlane.open(settings) if clock is None
                else ControlPlane.open(settings, clock=clock)
            )
            return stack.enter_context(plane)

        yield opener


@pytest.fixture
def plane(open_plane: OpenPlane, clock: FakeClock) -> ControlPlane:
    """A control plane whose clock the test drives."""
    return open_plane(clock=clock)
