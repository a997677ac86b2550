from __future__ import annotations

import pytest

from ledgerguard_pipeline.control.webhook_queue.attempts import MAX_ATTEMPTS
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.ingestion.company_books import failures, realm_of


@pytest.mark.parametrize(
    "fault, becomes",
    [("error_503_empty", EventStatus.PENDING), ("forbidden", EventStatus.PARKED)],
)
def test_the_last_attempt_parks_events_only_where_somebody_has_to_act(
    connected: Installation, sandbox: SandboxServer, fault: str, becomes: EventStatus
) -> None:
    """After an outage they become rows by themselves."""
    inbox, realm = connected.control.inbox, realm_of(sandbox)
    id = min(sandbox.truth("Invoice").rows)
    connected.control.deliveries.accept([delivery([event("e1", realm=realm, object_id=id)])])
    for _ in range(MAX_ATTEMPTS):
        inbox.lease("batch-1", realms=[realm], ttl_seconds=0)
    sandbox.inject(fault, next=1000)
    lease = InboxLease(inbox, "batch-1")
    with connected.service(realm).open_events(lease) as running:
        assert set(failures(running.run())) == {"Invoice"}
    (left,) = inbox.list()
    assert left.status is becomes
    assert left.reason
