"""Whoever asks how a company stands is answered without Bronze: by sync states that agree with it."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.control.company_state.sync_state import SyncState
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus
from ledgerguard_pipeline.entities import EntityType, entity_type, entity_types
from ledgerguard_pipeline.errors import ControlUnavailable, LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.ingestion.request import SyncRequest, Window
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.control.company_state.lost_states import lose_states
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, sync

TYPES = entity_types(("Customer", "Invoice", "TaxCode"))
CUSTOMER, INVOICE = entity_type("Customer"), entity_type("Invoice")


def sync_states(installation: Installation) -> dict[str, SyncState]:
    return next(iter(installation.control.sync_states.read().values()))


def company_status(installation: Installation) -> CompanyStatus:
    found = installation.company_status(installation.control.companies.list()[0].realm_id)
    assert found is not None
    return found


def agree(installation: Installation, types: tuple[EntityType, ...] = TYPES) -> None:
    """The sync states say what Bronze says."""
    realm = installation.control.companies.list()[0].realm_id
    counts, found = installation.bronze.counts(realm), sync_states(installation)
    assert {name: each.rows for name, each in found.items()} == {
        each.name: counts[each.name] for each in types
    }
    watermarks = installation.bronze.watermarks(realm)
    assert installation.control.sync_states.watermarks(realm) == watermarks


def test_loads_changes_and_reconciling_leave_states_that_agree_with_bronze(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, TYPES)
    agree(connected)
    sandbox.edit("create", "Customer")
    sandbox.edit("delete", "Invoice", min(sandbox.truth("Invoice").rows))
    sync(connected, TYPES)
    agree(connected)
    before = sync_states(connected)
    sync(connected, TYPES, reconcile=True)
    agree(connected)
    # Equal counts prove nothing about changes: that is no sync.
    assert sync_states(connected)["Customer"].last_sync_at == before["Customer"].last_sync_at


def test_objects_of_webhook_events_are_counted_but_are_no_sync(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, TYPES)
    before, realm = sync_states(connected)["Customer"], realm_of(sandbox)
    made = str(sandbox.edit("create", "Customer")["id"])
    reported = event("e1", realm=realm, entity="Customer", object_id=made)
    connected.control.deliveries.accept([delivery([reported])])
    connected.control.inbox.lease("batch", realms=[realm])
    with connected.service(realm).open_events(InboxLease(connected.control.inbox, "batch")) as run:
        assert run.run().ok
    after = sync_states(connected)["Customer"]
    assert (after.rows, after.last_sync_at) == (before.rows + 1, before.last_sync_at)
    assert connected.control.inbox.backlog(realm).by_status == {EventStatus.DONE: 1}


def test_an_event_that_is_committed_before_a_sync_ends_is_counted(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    request = SyncRequest(realm, TYPES)
    with connected.service(realm).open_sync(request) as running:
        running.run()  # everything is compared with Intuit's counts
        made = str(sandbox.edit("create", "Customer")["id"])
        reported = event("e1", realm=realm, entity="Customer", object_id=made)
        connected.control.deliveries.accept([delivery([reported])])
        connected.control.inbox.lease("batch", realms=[realm])
        lease = InboxLease(connected.control.inbox, "batch")
        with connected.service(realm).open_events(lease) as run:
            assert run.run().ok
    agree(connected)


def test_a_failed_entity_stays_named_while_others_succeed(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, TYPES)
    sandbox.inject("forbidden", endpoint="query", entity="TaxCode", next=20)
    sandbox.inject("forbidden", endpoint="batch", entity="TaxCode", next=20)
    sync(connected, [entity_type("TaxCode")])
    sync(connected, [CUSTOMER, INVOICE])
    found = company_status(connected)
    kinds = {reason.kind: reason.text for reason in found.health.reasons}
    assert "failed for TaxCode" in kinds[ReasonKind.SYNC_FAILED]
    assert found.company.last_error is None
    assert [each.entity for each in found.entities if each.error] == ["TaxCode"]

    sandbox.clear_faults()
    sync(connected, [entity_type("TaxCode")])
    kinds = {reason.kind: reason.text for reason in company_status(connected).health.reasons}
    assert ReasonKind.SYNC_FAILED not in kinds


def test_reading_an_old_window_again_makes_nothing_fresher(connected: Installation) -> None:
    sync(connected, [CUSTOMER])
    before = sync_states(connected)["Customer"]
    sync(connected, [CUSTOMER], window=Window(None, before.watermark))
    assert sync_states(connected)["Customer"].last_sync_at == before.last_sync_at


def test_missing_states_are_rebuilt_by_the_next_sync(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, TYPES)
    lose_states(connected.control, realm_of(sandbox))
    sync(connected, [CUSTOMER])
    agree(connected)
    assert all(each.last_sync_at is not None for each in sync_states(connected).values())


def test_states_behind_bronze_are_rebuilt(
    connected: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(connected, [CUSTOMER])
    sandbox.edit("create", "Customer")

    def down(*_: object) -> None:
        raise ControlUnavailable("the store is away for a moment")

    with monkeypatch.context() as away:
        away.setattr(connected.control.sync_states, "committed", down)
        assert sync(connected, [CUSTOMER]).ok, "a sync state that cannot be written fails no load"
    sync(connected, [INVOICE])
    agree(connected, (CUSTOMER, INVOICE))


def test_a_service_without_an_installation_leaves_no_sync_states(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    bronze = BronzeStore(connected.settings.bronze_path, connected.settings.intuit_env)
    service = IngestionService(connected.client(realm), bronze)
    assert service.run_batch_ingestion(["Customer"])["errors"] == []
    status = service.get_ingestion_status()
    assert status["is_connected"] is True
    assert status["entity_counts"] == {"Customer": len(sandbox.truth("Customer").rows)}
    assert connected.control.sync_states.read() == {}


def test_the_service_of_an_installation_gives_the_one_status_without_a_call(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    connected.service(realm).run_batch_ingestion()
    sandbox.pop_log()
    status = connected.service(realm).get_ingestion_status()
    assert status["health"] == HealthState.HEALTHY
    assert status["reasons"] == []
    assert status == company_status(connected).to_json() | {"watermarks": status["watermarks"]}
    assert sandbox.pop_log() == []


def test_a_sync_that_cannot_begin_is_named_until_one_succeeds(
    connected: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: object) -> None:
        raise LedgerGuardError("Bronze is held by process 4711.")

    with monkeypatch.context() as broken:
        broken.setattr(connected.bronze, "watermarks", held)
        with pytest.raises(LedgerGuardError):
            sync(connected, [CUSTOMER])
    (named,) = [each for each in company_status(connected).health.texts if "4711" in each]
    assert "could not begin" in named
    sync(connected, [CUSTOMER])
    assert company_status(connected).company.last_error is None
