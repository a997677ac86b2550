"""Beginning a webhook run again, by hand or because a worker was lost, is harmless and of use."""

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.defs.bronze.checks import EVENTS
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.scheduling.test_webhook_events_start_runs import (
    run_request,
    sensed,
)

pytestmark = pytest.mark.usefixtures("bronze_alone")


def test_a_run_started_again_after_its_events_are_done_has_nothing_to_do(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    id = min(sandbox.truth("Invoice").rows)
    connected.control.deliveries.accept(
        [delivery([event("e1", realm=sandbox.realm_id, object_id=id)])]
    )
    (request,) = sensed(persistent, settings)
    assert run_request(persistent, settings, request).success
    faults = connected.control.check_faults
    faults.judged(RealmId(sandbox.realm_id), [Judged("Invoice", EVENTS, "403")])
    sandbox.pop_log()
    again = run_request(persistent, settings, request)
    assert again.success, again
    assert sandbox.pop_log() == []
    assert [each.text for each in faults.read()] == ["403"], "what nobody read proves nothing"


def test_a_failed_run_that_somebody_begins_again_brings_what_it_was_about(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    invoice = str(sandbox.edit("update", "Invoice")["id"])
    announced = event("e1", realm=sandbox.realm_id, object_id=invoice)
    connected.control.deliveries.accept([delivery([announced])])
    (request,) = sensed(persistent, settings)
    sandbox.inject("forbidden", next=1000)
    failed = run_request(persistent, settings, request)
    assert not failed.success
    sandbox.clear_faults()
    again = run_request(persistent, settings, request, repeats=failed.run)
    assert again.success, again
    made = again.materializations()["invoice", str(request.partition_key)]
    assert made["rows_written"].value == len(sandbox.truth("Invoice").rows)
