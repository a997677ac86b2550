"""A home that version 0.1.0 wrote goes on under this version: nothing of it is lost."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from pathlib import Path

from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    failures,
    realm_of,
    sync,
)
from ledgerguard_pipeline_tests.upgrade.served import (
    reported,
)

HERE = Path(__file__).parent


def test_the_company_its_tokens_and_its_events_are_still_there(
    upgraded: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    assert [company.realm_id for company in upgraded.control.companies.list()] == [realm]
    assert upgraded.client(realm).count_entities("Invoice") == len(sandbox.truth("Invoice").rows)
    listed = upgraded.control.inbox.list()
    waiting = {
        f"{each.event.entity}/{each.event.object_id}"
        for each in listed
        if each.status is EventStatus.PENDING
    }
    assert waiting == set(reported().waiting)
    assert sum(each.status is EventStatus.PARKED for each in listed) == 2


def test_events_and_health_go_on_where_0_1_0_stopped(
    upgraded: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    before = upgraded.company_status(realm)
    assert before is not None
    assert before.health.state.value != "healthy", "its last syncs had failed"
    assert upgraded.control.inbox.lease("run", realms=[realm])
    lease = InboxLease(upgraded.control.inbox, "run")
    with upgraded.service(realm).open_events(lease) as running:
        assert failures(running.run()) == {}
    assert failures(sync(upgraded)) == {}
    after = upgraded.company_status(realm)
    assert after is not None
    assert all("token" not in text for text in after.health.texts), after.health.texts


def test_everything_0_1_0_stored_can_be_read_before_any_sync(
    upgraded: Installation, sandbox: SandboxServer, tmp_path: Path
) -> None:
    counts = upgraded.bronze.counts(realm_of(sandbox))
    assert counts["Invoice"] == len(sandbox.truth("Invoice").rows)
    assert len(upgraded.bronze.frame("Invoice")) == counts["Invoice"]
    for name in ("expense", "expense_current", "customer_current", "_loads", "_watermarks"):
        assert upgraded.bronze.sql(f"SELECT * FROM bronze.{name} LIMIT 1").rows, name
    upgraded.bronze.snapshot(tmp_path / "books.duckdb")
    assert (tmp_path / "books.duckdb").exists()
    bodies = [each.body for each in upgraded.control.deliveries.list()]
    assert any(b"updated.v1.1" in body for body in bodies)


def test_the_fixture_names_no_machine_and_nobodys_secret() -> None:
    with lzma.open(HERE / "home_0_1_0.tar.xz") as stream:
        packed = stream.read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = archive.getnames()
    assert {"control.db", "bronze.duckdb", "encryption.key", "dagster"} <= set(names)
    with lzma.open(HERE / "books_0_1_0.json.xz") as stream:
        packed += stream.read()
    folders = rb"/(?:home|root|Users|work|opt|mnt|srv|tmp)/[A-Za-z0-9_.-]{2,}/"
    assert re.findall(folders, packed) == []
