"""What waits in quarantine is accounted for once, and stands for no other object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.read.only_quarantined import OnlyQuarantined
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Environment, Mode
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record, reject, tombstone
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import act, event

VENDOR, INVOICE = entity_type("Vendor"), entity_type("Invoice")
TIME_ACTIVITY = entity_type("TimeActivity")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=40) as server:
        yield server


def forget(installation: Installation, entity: EntityType, ids: Sequence[str]) -> None:
    """Take rows out of the Bronze file behind everybody's back."""
    path = installation.settings.bronze_path
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f'DELETE FROM "{path.stem}".bronze."{entity.table}" WHERE list_contains(?, id)', [ids]
        )


def one(installation: Installation, entity: EntityType, *, reconcile: bool = False) -> EntityResult:
    result = sync(installation, [entity], reconcile=reconcile)
    assert failures(result) == {}
    (found,) = result.results
    return found


def test_an_object_counts_once_and_not_at_all_where_another_version_of_it_lives(
    tmp_path: Path,
) -> None:
    store = BronzeStore(tmp_path / "bronze.duckdb", Environment.SANDBOX)
    edited = [reject("9", payload=payload) for payload in (b"{", b"{{", b"{{{")]
    gone = [reject("2"), reject("1"), reject(None), reject(None, reason="another")]
    store.commit([load(record("1"), record("2"), rejects=edited)])
    store.commit([load(tombstone("2", updated=5, read=200))])
    store.commit([load(rejects=gone)])
    store.commit([load(entity="Customer", rejects=[reject("1")])])
    store.commit([load(rejects=[reject("9")], realm="1234567890")])
    held = store.company_counts.of(REALM)
    assert held.quarantined == {"Invoice": 7, "Customer": 1}
    assert held.only_quarantined == {
        "Invoice": OnlyQuarantined(named=2, nameless=2),
        "Customer": OnlyQuarantined(named=1),
    }


def test_one_of_which_an_older_version_lives_hides_no_missing_row(
    connected: Installation, sandbox: SandboxServer
) -> None:
    one(connected, VENDOR)
    broken, lost, *_ = sorted(stored(connected, VENDOR, realm_of(sandbox)))
    sandbox.edit("update", "Vendor", broken)
    sandbox.set(cut_text=[["Vendor", broken]])
    assert one(connected, VENDOR).quarantined == 1
    forget(connected, VENDOR, [lost])
    found = one(connected, VENDOR, reconcile=True)
    assert (found.mode, found.complete) == (Mode.FULL, True)
    assert differing(connected, sandbox, [VENDOR]) == {"Vendor": [broken]}


def test_each_edit_of_one_that_was_never_stored_hides_no_further_row(
    connected: Installation, sandbox: SandboxServer
) -> None:
    broken, *lost = sorted(sandbox.truth("Vendor").rows)[:4]
    sandbox.set(cut_text=[["Vendor", broken]])
    one(connected, VENDOR)
    for _ in lost:
        sandbox.edit("update", "Vendor", broken)
        one(connected, VENDOR)
        act(connected, sandbox, event(sandbox, "Update", "Vendor", broken))
    assert connected.bronze.quarantined(realm_of(sandbox))["Vendor"] >= len(lost)
    assert one(connected, VENDOR, reconcile=True).mode is Mode.RECONCILE, "it is accounted for"
    forget(connected, VENDOR, lost)
    assert one(connected, VENDOR, reconcile=True).complete
    assert differing(connected, sandbox, [VENDOR]) == {"Vendor": [broken]}
    assert one(connected, VENDOR, reconcile=True).mode is Mode.RECONCILE


def test_one_that_was_never_stored_makes_no_walk_of_each_sync_of_a_type_without_changes(
    connected: Installation, sandbox: SandboxServer
) -> None:
    broken, gone, *_ = sorted(sandbox.truth("TimeActivity").rows)
    sandbox.set(cut_text=[["TimeActivity", broken]])
    assert one(connected, TIME_ACTIVITY).mode is Mode.FULL
    for _ in range(2):
        sandbox.pop_log()
        found = one(connected, TIME_ACTIVITY)
        assert (found.mode, found.complete) == (Mode.QUERY, True)
        assert len(sandbox.pop_log()) == 1
    sandbox.edit("delete", "TimeActivity", gone)
    assert one(connected, TIME_ACTIVITY).mode is Mode.FULL
    assert states(connected, TIME_ACTIVITY, realm_of(sandbox))[gone] == "deleted"
    assert differing(connected, sandbox, [TIME_ACTIVITY]) == {"TimeActivity": [broken]}


@pytest.mark.parametrize("entity", [VENDOR, TIME_ACTIVITY])
def test_one_that_was_deleted_since_hides_no_other_deletion(
    connected: Installation, sandbox: SandboxServer, entity: EntityType
) -> None:
    broken, *gone = sorted(sandbox.truth(entity.name).rows)[:3]
    sandbox.set(cut_text=[[entity.name, broken]])
    one(connected, entity)
    company = sandbox.world.companies[sandbox.realm_id]
    for id in (broken, gone[0]):
        with company.lock:
            company.tables[entity.name].bury(id, 0)  # before everything changes still tell
        assert one(connected, entity, reconcile=True).complete
        assert one(connected, entity, reconcile=True).mode is Mode.RECONCILE
        assert connected.bronze.quarantined(realm_of(sandbox)) == {}
    assert differing(connected, sandbox, [entity]) == {}


def test_rows_that_two_pages_share_are_rejected_once(
    connected: Installation, sandbox: SandboxServer
) -> None:
    truth = sorted(sandbox.truth("Vendor").rows)
    connected.control.capabilities.note(realm_of(sandbox), VENDOR.name, Capability.PAGE_ROWS, "8")
    sandbox.set(cut_text=[["Vendor", id] for id in truth[::2]])
    found = one(connected, VENDOR)
    assert (found.fetched, found.quarantined) == (len(truth), len(truth[::2]))
    assert found.complete


def test_a_resumed_walk_accounts_for_what_its_first_part_could_not_read(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm, rows = realm_of(sandbox), sandbox.truth("Invoice").rows
    broken = min(rows, key=lambda id: (rows[id].updated, int(id)))
    sandbox.set(cut_text=[["Invoice", broken]])
    connected.control.capabilities.note(realm, INVOICE.name, Capability.PAGE_ROWS, "4")
    sandbox.inject("forbidden", entity="Invoice", endpoint="query", skip=15, next=1000)
    (lost,) = sync(connected, [INVOICE]).results
    assert (lost.status, lost.quarantined) == ("failed", 1)
    sandbox.clear_faults()
    sandbox.pop_log()
    found = one(connected, INVOICE)
    assert (found.note or "").startswith("resumed after")
    assert found.complete
    assert found.fetched < len(rows), "it did not begin again"
    assert differing(connected, sandbox, [INVOICE]) == {"Invoice": [broken]}
