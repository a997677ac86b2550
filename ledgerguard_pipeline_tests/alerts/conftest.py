"""Alerts are remembered in every kind of store, so their tests run on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox, http_receiver
from ledgerguard_pipeline_tests.alerts.ears import FIRST, SECOND, Ear
from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def companies(plane: ControlPlane) -> None:
    for realm in (FIRST, SECOND):
        plane.companies.put(
            Company(
                RealmId(realm), Environment.SANDBOX, f"Company {realm[-2:]}",
                ConnectionStatus.CONNECTED, plane.now(),
            )
        )  # fmt: skip


@pytest.fixture
def inboxes() -> Iterator[tuple[Inbox, Inbox]]:
    with ExitStack() as stack:
        yield (stack.enter_context(http_receiver()), stack.enter_context(http_receiver()))
