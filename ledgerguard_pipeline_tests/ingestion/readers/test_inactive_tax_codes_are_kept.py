"""Inactive customer types, tax codes and tax rates are kept, whatever queries do with them."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline.webhooks.handler import WebhookHandler
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    sync,
)
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events

TYPES = entity_types(["CustomerType", "TaxCode", "TaxRate"])
TAX_CODE, TAX_RATE = entity_types(["TaxCode", "TaxRate"])
(CUSTOMER_TYPE,) = entity_types(["CustomerType"])


@pytest.fixture(params=["hidden", "shown", "unnamed"])
def sandbox(request: pytest.FixtureRequest, sandbox: SandboxServer) -> SandboxServer:
    """The sandbox in each way that no page decides between."""
    sandbox.set(unclear_inactive=request.param)
    return sandbox


def clean(
    installation: Installation,
    sandbox: SandboxServer,
    *,
    full: bool = False,
    reconcile: bool = False,
) -> None:
    assert failures(sync(installation, TYPES, full=full, reconcile=reconcile)) == {}
    assert differing(installation, sandbox, TYPES) == {}
    assert list(installation.control.sync_states.gaps.read()) == []


def test_inactive_rows_come_with_the_first_load(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    assert "inactive" in states(connected, TAX_RATE, realm_of(sandbox)).values()


def test_a_code_that_becomes_inactive_is_no_loss_of_rights(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    for name, id in (("TaxCode", "3"), ("TaxRate", "1"), ("CustomerType", "1")):
        sandbox.edit("deactivate", name, id)
    clean(connected, sandbox)
    assert states(connected, TAX_CODE, realm_of(sandbox))["3"] == "inactive"
    sandbox.edit("reactivate", "TaxCode", "3")
    sandbox.edit("deactivate", "TaxCode", "2")
    clean(connected, sandbox)
    found = states(connected, TAX_CODE, realm_of(sandbox))
    assert (found["2"], found["3"]) == ("inactive", "active")


def test_a_customer_type_that_changes_call_deleted_is_merely_inactive(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    first, second, *_ = sorted(sandbox.truth("CustomerType").rows)
    sandbox.set(false_tombstones=[["CustomerType", first]])
    sandbox.edit("deactivate", "CustomerType", first)
    sandbox.edit("update", "CustomerType", second)
    clean(connected, sandbox)
    found = states(connected, CUSTOMER_TYPE, realm_of(sandbox))
    assert (found[first], found[second]) == ("inactive", "active")


def test_what_is_inactive_costs_no_call_once_it_is_held(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    sandbox.edit("deactivate", "TaxCode", "2")
    clean(connected, sandbox)
    assert sync(connected, TYPES).api_calls == 1
    assert sync(connected, TYPES, reconcile=True).api_calls == 1
    clean(connected, sandbox)


def test_codes_that_were_loaded_without_the_inactive_ones_are_read_in_full_once(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    for entity in TYPES:
        connected.client(realm_of(sandbox)).capabilities.drop(entity.name, Capability.INACTIVE_HELD)
    again = sync(connected, TYPES)
    assert {each.mode for each in again.results} == {Mode.FULL}
    assert {each.mode for each in sync(connected, TYPES).results} == {Mode.CDC, Mode.QUERY}


def test_a_list_of_inactive_codes_only_is_not_taken_for_empty(
    connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    for row in sandbox.truth("TaxRate").rows.values():
        if row.active:
            sandbox.edit("deactivate", "TaxRate", row.id)
    clean(connected, sandbox)
    assert set(states(connected, TAX_RATE, realm_of(sandbox)).values()) == {"inactive"}
    clean(connected, sandbox, reconcile=True)
    clean(connected, sandbox, full=True)


def test_the_client_shows_inactive_rows_once(
    connected: Installation, sandbox: SandboxServer
) -> None:
    client = connected.client(realm_of(sandbox))
    ids = sorted(record.id for record in client.get_all_entities("TaxRate"))
    assert ids == sorted(sandbox.truth("TaxRate").rows)
    assert len(client.query_entities("TaxRate", "Name = 'Old rate'")) == 1


def test_many_inactive_rows_are_read_page_by_page(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(page_limit={"TaxRate": 1})
    for row in sandbox.truth("TaxRate").rows.values():
        if row.active and row.id != "2":
            sandbox.edit("deactivate", "TaxRate", row.id)
    assert failures(sync(connected, [TAX_RATE])) == {}
    assert differing(connected, sandbox, [TAX_RATE]) == {}


@pytest.mark.parametrize("operation", ["Update", "Delete"])
def test_an_event_about_a_code_that_became_inactive_brings_it(
    operation: str, connected: Installation, sandbox: SandboxServer
) -> None:
    clean(connected, sandbox)
    sandbox.edit("deactivate", "TaxCode", "3")
    realm = realm_of(sandbox)
    body = cloud_events([Change("TaxCode", "3", operation, realm=realm)])
    for _ in range(2):
        said = WebhookHandler("token").process_webhook(
            body, connected.client(realm), connected.bronze
        )
        assert said["status"] == "success"
        assert states(connected, TAX_CODE, realm)["3"] == "inactive"
    clean(connected, sandbox)
