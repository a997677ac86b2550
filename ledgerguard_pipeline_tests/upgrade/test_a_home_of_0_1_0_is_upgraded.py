"""A home that version 0.1.0 wrote goes on under this version: nothing of it is lost."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.control.inbox import EventStatus
from ledgerguard_pipeline.ingestion.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.process import SandboxServer
from ledgerguard_pipeline.settings import Settings, load_settings
from ledgerguard_pipeline_tests.ingestion.company_books import (
    failures,
    realm_of,
    sync,
)
from ledgerguard_pipeline_tests.upgrade.served import (
    LaterClock,
    serve_again,
    told,
    unpack_home,
)

HERE = Path(__file__).parent


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The company of the home, served again."""
    with serve_again() as server:
        yield server


@pytest.fixture
def settings(home: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of the home that 0.1.0 left, also in the environment."""
    unpack_home(home)
    for name, value in {
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
        "INTUIT_ENV": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings(ledgerguard_home=home)


@pytest.fixture
def upgraded(settings: Settings) -> Iterator[Installation]:
    """This version, opened on the home of 0.1.0 two hours after that was stopped."""
    with Installation.open(settings, clock=LaterClock()) as opened:
        yield opened


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
    assert waiting == set(told().waiting)
    assert sum(each.status is EventStatus.PARKED for each in listed) == 2


def test_a_sync_goes_on_where_0_1_0_stopped(upgraded: Installation, sandbox: SandboxServer) -> None:
    realm = realm_of(sandbox)
    assert upgraded.control.inbox.lease("run", realms=[realm])
    lease = InboxLease(upgraded.control.inbox, "run")
    with upgraded.service(realm).open_events(lease) as running:
        assert failures(running.run()) == {}
    assert failures(sync(upgraded)) == {}
    standing = upgraded.standing(realm)
    assert standing is not None
    assert standing.health.state.value == "healthy", standing.health.texts


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
