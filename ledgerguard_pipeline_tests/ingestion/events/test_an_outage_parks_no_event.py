from __future__ import annotations

from collections.abc import Collection

import pytest

from ledgerguard_pipeline.change_events import ChangeEvent
from ledgerguard_pipeline.control.webhook_queue.attempts import MAX_ATTEMPTS
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import entity_type
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


class _Unforeseen(InboxLease):
    """Fails in a way that nobody reckoned with; no store can be made to."""

    def done(self, events: Collection[ChangeEvent]) -> None:
        raise RuntimeError(f"no answer about {len(events)}")


def test_what_nobody_foresaw_fails_every_entity_of_the_run(
    connected: Installation, sandbox: SandboxServer
) -> None:
    """A step that came later would say that no event concerns it, and be green."""
    inbox, realm = connected.control.inbox, realm_of(sandbox)
    connected.control.deliveries.accept(
        [delivery([event(name, realm=realm, entity=name) for name in ("Customer", "Invoice")])]
    )
    inbox.lease("batch-1", realms=[realm])
    with connected.service(realm).open_events(_Unforeseen(inbox, "batch-1")) as running:
        for name in ("Customer", "Invoice"):
            with pytest.raises(RuntimeError, match="no answer about"):
                running.load(entity_type(name))
    assert len(inbox.held("batch-1")) == 2, "they come again when the lease ends"
