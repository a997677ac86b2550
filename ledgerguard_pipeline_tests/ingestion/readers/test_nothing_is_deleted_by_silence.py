"""A person who lost rights makes answers empty; what they lack is not deleted for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from ledgerguard_pipeline.control.storage.schema import doubts
from ledgerguard_pipeline.entities import ENTITIES, EntityType, Kind, entity_type, entity_types
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.ingestion.readers.stopped import LOOK_AGAIN
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    held,
    realm_of,
    rewind,
    states,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import act, event

INVOICE, TIME_ACTIVITY = entity_type("Invoice"), entity_type("TimeActivity")
ADJUSTMENT = entity_type("InventoryAdjustment")
TYPES = entity_types(["Invoice", "Bill", "TimeActivity", "Account", "Customer"])
SILENT = ["Invoice", "Bill", "TimeActivity"]
ALL_TRANSACTIONS = [entity.name for entity in ENTITIES if entity.kind is Kind.TRANSACTION]


def full(installation: Installation) -> SyncResult:
    return sync(installation, TYPES, full=True)


def reconcile(installation: Installation) -> SyncResult:
    return sync(installation, TYPES, reconcile=True)


def count(installation: Installation) -> SyncResult:
    """Changes older than change data capture reaches are queried and then counted."""
    rewind(installation, timedelta(days=40))
    return sync(installation, TYPES)


WAYS = pytest.mark.parametrize("way", [full, reconcile, count])


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=12) as server:
        yield server


@pytest.fixture
def loaded(connected: Installation) -> Installation:
    assert failures(sync(connected, TYPES)) == {}
    return connected


def company_status(installation: Installation) -> CompanyStatus:
    (found,) = read_statuses(installation.control, installation.settings)
    return found


def troubles(installation: Installation) -> set[ReasonKind]:
    """Why the company is not well, but for the types that no test here loads."""
    kinds = {each.kind for each in company_status(installation).health.reasons}
    return kinds - {ReasonKind.NEVER_SYNCED}


def result_of(result: SyncResult, entity: EntityType) -> EntityResult:
    (found,) = [each for each in result.results if each.entity == entity.name]
    return found


def tombstones(installation: Installation) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for entity in TYPES:
        found += installation.bronze.sql(
            f"SELECT id FROM bronze.\"{entity.table}\" WHERE state IN ('deleted', 'merged')"
        )[1]
    return found


@pytest.mark.parametrize(
    "way,read,share",
    [
        (full, "served", 1.0),
        (full, "empty", 0.6),
        (reconcile, "refused", 1.0),
        (reconcile, "served", 0.6),
        (count, "empty", 1.0),
        (count, "refused", 0.6),
        (full, "served", 0.3),
    ],
)
def test_a_silent_grant_deletes_nothing_whichever_way_it_is_noticed(
    loaded: Installation,
    sandbox: SandboxServer,
    way: Callable[[Installation], SyncResult],
    read: str,
    share: float,
) -> None:
    before = held(loaded, TYPES, realm_of(sandbox))
    sandbox.set(silence={"entities": ALL_TRANSACTIONS, "read": read, "share": share})
    result = way(loaded)
    reported = failures(result)
    assert sorted(reported) == sorted(SILENT)
    assert all(
        "the consenting person may have lost rights" in str(text) for text in reported.values()
    )
    assert tombstones(loaded) == []
    assert held(loaded, TYPES, realm_of(sandbox)) == before
    health = company_status(loaded).health
    assert health.state is HealthState.UNHEALTHY
    assert health.reasons[0].kind is ReasonKind.RIGHTS_IN_DOUBT
    assert all(name in health.reasons[0].text for name in SILENT)


def test_a_stopped_type_costs_nothing_and_heals_when_rights_return(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(silence={"entities": ALL_TRANSACTIONS})
    reconcile(loaded)
    edited = str(sandbox.edit("update", "Invoice")["id"])
    gone = str(sandbox.edit("delete", "TimeActivity")["id"])
    sandbox.pop_log()

    stopped = sync(loaded, TYPES)
    assert sorted(failures(stopped)) == sorted(SILENT)
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc"], "the others go on"
    assert company_status(loaded).health.state is HealthState.UNHEALTHY

    # Rights are back, and so much time has passed that the types are looked at again. What was
    # changed meanwhile no change data capture showed: it is found because everything is read.
    sandbox.set(silence=None)
    with loaded.control.database.write("test") as connection:
        earlier = loaded.control.now() - LOOK_AGAIN
        connection.execute(update(doubts).values(looked_at=earlier))
    assert failures(sync(loaded, TYPES)) == {}
    assert differing(loaded, sandbox, TYPES) == {}
    assert edited in held(loaded, [INVOICE], realm_of(sandbox))["Invoice"]
    assert states(loaded, TIME_ACTIVITY, realm_of(sandbox))[gone] == "deleted"
    assert troubles(loaded) == set()


def test_connecting_anew_looks_at_once(loaded: Installation, sandbox: SandboxServer) -> None:
    sandbox.set(silence={"entities": ALL_TRANSACTIONS})
    reconcile(loaded)
    sandbox.set(silence=None)
    assert failures(sync(loaded, TYPES))
    connect(loaded, sandbox)
    assert failures(sync(loaded, TYPES)) == {}
    assert troubles(loaded) == set()


@pytest.mark.parametrize("read", ["served", "refused", "empty"])
@pytest.mark.parametrize("victims", [1, 3])
def test_false_tombstones_are_not_confirmed_by_a_silent_query(
    loaded: Installation, sandbox: SandboxServer, read: str, victims: int
) -> None:
    ids = sorted(sandbox.truth("Invoice").bodies())[:victims]
    sandbox.set(
        silence={"entities": ["Invoice"], "answers": ["query", "count"], "read": read},
        false_tombstones=[["Invoice", id] for id in ids],
    )
    reported = failures(sync(loaded, TYPES))
    assert list(reported) == ["Invoice"]
    assert "may have lost rights" in str(reported["Invoice"])
    assert tombstones(loaded) == []
    assert ReasonKind.RIGHTS_IN_DOUBT in troubles(loaded)


@pytest.mark.parametrize("operation", ["Delete", "Update"])
@pytest.mark.parametrize("victims", [1, 3])
def test_what_a_silent_query_lacks_after_an_event_is_not_deleted(
    loaded: Installation, sandbox: SandboxServer, operation: str, victims: int
) -> None:
    ids = sorted(sandbox.truth("Invoice").bodies())[:victims]
    sandbox.set(silence={"entities": ALL_TRANSACTIONS, "read": "refused"})
    result = act(loaded, sandbox, *(event(sandbox, operation, "Invoice", id) for id in ids))
    assert "may have lost rights" in str(failures(result)["Invoice"])
    assert tombstones(loaded) == []
    assert ReasonKind.RIGHTS_IN_DOUBT in troubles(loaded)


def test_one_deletion_found_by_changes_costs_one_more_call(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    gone = str(sandbox.edit("delete", "Invoice")["id"])
    sandbox.pop_log()
    assert failures(sync(loaded, [INVOICE])) == {}
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc", "read"]
    assert states(loaded, INVOICE, realm_of(sandbox))[gone] == "deleted"


def test_a_deletion_that_bronze_holds_is_not_confirmed_again(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    for _ in range(3):
        sandbox.edit("delete", "Invoice")
    sandbox.edit("delete", "Bill")
    assert failures(sync(loaded, TYPES)) == {}
    sandbox.pop_log()
    assert failures(sync(loaded, TYPES)) == {}
    assert len(sandbox.pop_log()) == 1, "the overlap reports them again"
    assert differing(loaded, sandbox, TYPES) == {}


@WAYS
def test_objects_that_are_really_gone_are_deleted_however_many(
    loaded: Installation, sandbox: SandboxServer, way: Callable[[Installation], SyncResult]
) -> None:
    ids = sorted(sandbox.truth("TimeActivity").bodies())
    for id in ids:
        sandbox.edit("delete", "TimeActivity", id)
    result = way(loaded)
    assert failures(result) == {}
    assert result_of(result, TIME_ACTIVITY).deleted == len(ids)
    assert differing(loaded, sandbox, TYPES) == {}
    assert len(tombstones(loaded)) == len(ids)


@pytest.fixture
def adjusted(connected: Installation, sandbox: SandboxServer) -> Installation:
    """A company whose adjustments cannot be queried, three of them loaded."""
    sandbox.set(no_query=[ADJUSTMENT.name], day_times=[ADJUSTMENT.name])
    for id in sorted(sandbox.truth(ADJUSTMENT.name).rows)[:3]:
        sandbox.edit("update", ADJUSTMENT.name, id)
    assert failures(sync(connected, [ADJUSTMENT])) == {}
    assert len(held(connected, [ADJUSTMENT], realm_of(sandbox))[ADJUSTMENT.name]) >= 3
    return connected


@pytest.mark.parametrize("read", ["served", "refused", "empty"])
def test_a_silent_grant_deletes_nothing_of_a_type_without_query(
    adjusted: Installation, sandbox: SandboxServer, read: str
) -> None:
    before = held(adjusted, [ADJUSTMENT], realm_of(sandbox))
    sandbox.set(silence={"entities": ALL_TRANSACTIONS, "read": read})
    reported = failures(sync(adjusted, [ADJUSTMENT], full=True))
    assert held(adjusted, [ADJUSTMENT], realm_of(sandbox)) == before
    if read == "served":
        assert reported == {}
        return
    assert "may have lost rights" in str(reported[ADJUSTMENT.name])
    assert ReasonKind.RIGHTS_IN_DOUBT in troubles(adjusted)
    sandbox.set(silence=None)
    assert failures(sync(adjusted, [ADJUSTMENT], full=True)) == {}
    assert ReasonKind.RIGHTS_IN_DOUBT not in troubles(adjusted)


@pytest.mark.parametrize("read", ["refused", "empty"])
def test_an_event_deletes_nothing_of_a_type_without_query_that_a_read_does_not_call_gone(
    adjusted: Installation, sandbox: SandboxServer, read: str
) -> None:
    before = held(adjusted, [ADJUSTMENT], realm_of(sandbox))
    ids = sorted(before[ADJUSTMENT.name])
    share = (len(ids) - 1) / len(sandbox.truth(ADJUSTMENT.name).rows)
    sandbox.set(silence={"entities": ALL_TRANSACTIONS, "read": read, "share": share})
    result = act(adjusted, sandbox, *(event(sandbox, "Delete", ADJUSTMENT.name, id) for id in ids))
    assert "may have lost rights" in str(failures(result)[ADJUSTMENT.name])
    assert held(adjusted, [ADJUSTMENT], realm_of(sandbox)) == before


def test_an_object_whose_id_is_a_word_can_go(
    connected: Installation, sandbox: SandboxServer
) -> None:
    """No read takes such an id, so none says that it is gone; the others of the type are shown."""
    codes = entity_type("TaxCode")
    company, realm = sandbox.world.companies[sandbox.realm_id], realm_of(sandbox)

    def bury(*ids: str) -> None:
        with company.lock:
            for id in ids:
                company.tables["TaxCode"].bury(id, 1)

    assert failures(sync(connected, [codes])) == {}
    bury("NON")
    assert failures(sync(connected, [codes])) == {}
    assert states(connected, codes, realm)["NON"] == "deleted"
    bury("2", "3")
    assert failures(sync(connected, [codes])) == {}
    assert states(connected, codes, realm)["TAX"] == "active"

    sandbox.set(silence={"entities": ["TaxCode"]})
    assert set(failures(sync(connected, [codes]))) == {"TaxCode"}
    assert states(connected, codes, realm)["TAX"] == "active"
