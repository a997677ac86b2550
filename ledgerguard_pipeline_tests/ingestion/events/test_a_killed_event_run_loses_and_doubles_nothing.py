"""SIGKILL at every step between the lease and the acknowledgement."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ledgerguard_pipeline
from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import LEASE_SECONDS, EventStatus
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    sync,
)

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
POINTS = [
    "before_event_read",
    "after_event_read",
    "before_bronze_commit",
    "after_bronze_commit",
    "before_event_ack",
    "after_event_ack",
]
_SOURCE = Path(ledgerguard_pipeline.__file__).parents[2]


def announced(sandbox: SandboxServer, operation: Operation, entity: str, id: object) -> ChangeEvent:
    return ChangeEvent(
        key=f"{operation}-{entity}-{id}".ljust(64, "-"),
        event_id=f"{operation}-{entity}-{id}",
        realm_id=sandbox.realm_id,
        entity=entity,
        object_id=str(id),
        operation=operation,
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_step_the_next_run_ends_equal_to_the_truth(
    settings: Settings, sandbox: SandboxServer, point: str
) -> None:
    with Installation.open(settings) as installation:
        connect(installation, sandbox)
        assert failures(sync(installation, [INVOICE, CUSTOMER])) == {}
        changed = sandbox.edit("update", "Customer")["id"]
        gone = sandbox.edit("delete", "Invoice")["id"]
        events = [
            announced(sandbox, Operation.UPDATE, "Customer", changed),
            announced(sandbox, Operation.DELETE, "Invoice", gone),
        ]
        inbox = installation.control.inbox
        installation.control.deliveries.accept([Delivery(b"[]", {}, "", "cloudevents", events)])
        inbox.lease("killed", realms=[sandbox.realm_id])

    killed = subprocess.run(
        [
            *(sys.executable, "-m", "ledgerguard_pipeline_tests.ingestion.events.event_worker"),
            *(sandbox.realm_id, "killed"),
        ],
        cwd=_SOURCE,
        env={**os.environ, "LEDGERGUARD_CRASH_AT": point},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    later = FakeClock(datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS + 5))
    with Installation.open(settings, clock=later) as installation:
        inbox = installation.control.inbox
        again = inbox.lease("next", realms=[sandbox.realm_id])
        assert len(again) == (0 if point == "after_event_ack" else 2)
        with installation.service(realm_of(sandbox)).open_events(
            InboxLease(inbox, "next")
        ) as running:
            assert failures(running.run()) == {}
        assert inbox.backlog().by_status == {EventStatus.DONE: 2}
        versions = installation.bronze.sql(
            f"SELECT count(*) FROM bronze.customer WHERE id = '{changed}' UNION ALL "
            f"SELECT count(*) FROM bronze.invoice WHERE id = '{gone}' AND state = 'deleted'"
        )[1]
        assert sorted(versions) == [(1,), (2,)], "one more version each, never two"
        assert differing(installation, sandbox, [CUSTOMER]) == {}
