"""A Bronze file that somebody holds costs a sync one wait, and says at once for whom it waits."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import ENTITIES, entity_types
from ledgerguard_pipeline.errors import BronzeBusy
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.bronze.backends.holding_process import Holder
from ledgerguard_pipeline_tests.clocks import FakeClock, HastyClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.ingestion.company_books import differing, realm_of, sync

WAIT = 5.0
SOME = entity_types(("Customer", "Vendor", "Term"))


def held(log: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [each for each in log if "waiting for process" in str(each["event"])]


def waits(clock: HastyClock) -> float:
    """Seconds waited for the file, and some for the calls a second that a company may take."""
    return sum(clock.slept)


def test_a_sync_of_all_types_against_a_file_that_somebody_reads_waits_once(
    connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    sync(connected, SOME)
    # Whoever does not wait in earnest makes more calls a second than Intuit takes.
    sandbox.set(limits=False)
    clock = HastyClock()
    with (
        Holder(settings.bronze_path, read_only=True) as holder,
        Installation.open(settings, clock=clock, lock_wait_seconds=WAIT) as installation,
        capture_logs() as log,
    ):
        request = SyncRequest(realm_of(sandbox), ENTITIES)
        with installation.service(realm_of(sandbox)).open_sync(request) as running:
            result = running.run()
    errors = running.errors
    assert len(errors) == len(ENTITIES)
    assert [each for each in errors if not isinstance(each, BronzeBusy)] == []
    assert all(f"held by process {holder.pid}; waited 5 s" in str(each) for each in errors)
    assert not result.ok
    assert 0 < waits(clock) < 2 * WAIT
    (reported,) = held(log)
    assert f"waiting for process {holder.pid}" in str(reported["event"])
    assert reported["holder"] == holder.pid


def test_a_file_that_comes_free_meanwhile_takes_the_rest(
    connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    sync(connected, SOME)
    for entity in SOME:
        sandbox.edit("create" if entity.name != "Term" else "update", entity.name)
    with (
        Holder(settings.bronze_path, read_only=True) as holder,
        Installation.open(settings, lock_wait_seconds=0.05) as installation,
        installation.service(realm_of(sandbox)).open_sync(
            SyncRequest(realm_of(sandbox), SOME)
        ) as running,
    ):
        with pytest.raises(BronzeBusy):
            running.load(SOME[0])
        with pytest.raises(BronzeBusy):
            running.load(SOME[1])
        holder.release()
        assert running.load(SOME[2]).status == "ok"


def test_the_next_sync_is_as_patient_as_the_first(
    connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    sync(connected, SOME)
    clock = HastyClock()
    with (
        Holder(settings.bronze_path, read_only=True),
        Installation.open(settings, clock=clock, lock_wait_seconds=WAIT) as installation,
    ):
        for _ in range(2):
            clock.slept.clear()
            assert not sync(installation, SOME).ok
            assert 0 < waits(clock) < 2 * WAIT


def test_a_sync_that_cannot_even_begin_waits_once_as_well(
    connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    sync(connected, SOME)
    clock = HastyClock()
    with (
        Holder(settings.bronze_path) as holder,
        Installation.open(settings, clock=clock, lock_wait_seconds=WAIT) as installation,
    ):
        with pytest.raises(BronzeBusy, match=f"process {holder.pid}"):
            sync(installation, ENTITIES)
        assert 0 < waits(clock) < 2 * WAIT


def test_events_that_meet_a_held_file_come_again(
    connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    customer = SOME[0]
    sync(connected, [customer])
    changed = str(sandbox.edit("update", "Customer")["id"])
    announced = event("held", realm=sandbox.realm_id, entity="Customer", object_id=changed)
    inbox = connected.control.inbox
    connected.control.deliveries.accept([delivery([announced])])
    inbox.lease("first", realms=[realm_of(sandbox)])
    with (
        Holder(settings.bronze_path),
        Installation.open(settings, lock_wait_seconds=0.05) as installation,
    ):
        service = installation.service(realm_of(sandbox))
        with (
            pytest.raises(BronzeBusy),
            service.open_events(InboxLease(installation.control.inbox, "first")) as running,
        ):
            running.load(customer)
    (waiting,) = inbox.list()
    assert waiting.status is EventStatus.PENDING
    assert "held by process" in str(waiting.reason)

    with Installation.open(settings, clock=FakeClock(waiting.due_at)) as installation:
        inbox = installation.control.inbox
        assert len(inbox.lease("second", realms=[realm_of(sandbox)])) == 1
        service = installation.service(realm_of(sandbox))
        with service.open_events(InboxLease(inbox, "second")) as running:
            assert running.load(customer).written == 1
        assert inbox.backlog().by_status == {EventStatus.DONE: 1}
        assert differing(installation, sandbox, [customer]) == {}
