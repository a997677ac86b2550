"""A machine whose clock is some minutes off Intuit's: what is announced as gone is gone all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.events.event_lease import NoLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import WrongClock
from ledgerguard_pipeline_tests.conftest import connect, settings_of
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, realm_of, sync
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import event

SOME = entity_types(["Invoice"])


@pytest.fixture(params=[-300, 300], ids=["slow", "fast"])
def elsewhen(
    request: pytest.FixtureRequest,
    sandbox: SandboxServer,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    settings = settings_of(sandbox, home, monkeypatch)
    with Installation.open(settings, clock=WrongClock(request.param)) as opened:
        connect(opened, sandbox)
        assert failures(sync(opened, SOME)) == {}
        yield opened


@pytest.mark.parametrize("number", [1, 3])
def test_a_deletion_right_after_a_change_is_stored(
    elsewhen: Installation, sandbox: SandboxServer, number: int
) -> None:
    """One is asked for singly, several by a statement: both ways have to date what is gone."""
    ids = [str(sandbox.edit("create", "Invoice")["id"]) for _ in range(number)]
    for operation in ("create", "delete"):
        if operation == "delete":
            for id in ids:
                sandbox.edit("delete", "Invoice", id)
        events = [event(sandbox, operation.title(), "Invoice", id) for id in ids]
        with elsewhen.service(realm_of(sandbox)).open_events(NoLease(events)) as running:
            assert failures(running.run()) == {}
    assert differing(elsewhen, sandbox, SOME) == {}


def test_a_walk_finds_what_was_deleted_right_after_a_change(
    elsewhen: Installation, sandbox: SandboxServer
) -> None:
    id = str(sandbox.edit("create", "Invoice")["id"])
    assert failures(sync(elsewhen, SOME)) == {}
    sandbox.edit("delete", "Invoice", id)
    assert failures(sync(elsewhen, SOME, full=True)) == {}
    assert differing(elsewhen, sandbox, SOME) == {}
