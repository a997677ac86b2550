"""What change data capture refuses, or the edition lacks, is an outcome, and a cheap one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from ledgerguard_pipeline.capabilities import LOOK_AGAIN_AFTER, Capability
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    rewind,
    sync,
)

REFUSED = ["Class", "Department", "Term", "Vendor", "Bill"]
ASKED = entity_types([*REFUSED, "Budget", "Customer", "Invoice", "Account", "TaxCode"])
"""These, one that few editions have, and some that nothing is peculiar about."""


@contextmanager
def a_day_later(installation: Installation) -> Iterator[Installation]:
    """Another process, for which everything that was seen was seen a day ago."""
    with installation.control.database.write(None) as connection:
        connection.exec_driver_sql(
            "UPDATE capabilities SET seen_at = datetime(seen_at, ?)",
            (f"-{int((LOOK_AGAIN_AFTER + timedelta(minutes=1)).total_seconds())} seconds",),
        )
    with Installation.open(load_settings()) as later:
        yield later


def denied(
    installation: Installation, sandbox: SandboxServer, capability: Capability
) -> dict[str, bool]:
    """Which types lack it, and whether that was seen within the day."""
    known = installation.client(realm_of(sandbox)).capabilities
    seen = installation.control.capabilities.read(realm_of(sandbox))
    return {name: not known.is_old(each) for (name, of), each in seen.items() if of is capability}


def test_an_idle_sync_where_changes_refuse_five_types_is_two_calls(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(cdc_refuses=REFUSED)
    assert failures(sync(connected, ASKED)) == {}
    assert failures(sync(connected, ASKED)) == {}  # finds out which types are refused
    assert set(denied(connected, sandbox, Capability.CHANGES)) == set(REFUSED)

    sandbox.pop_log()
    result = sync(connected, ASKED)
    assert failures(result) == {}
    assert len(sandbox.pop_log()) <= 2
    assert {each.mode for each in result.results if each.entity in REFUSED} == {Mode.QUERY}

    with a_day_later(connected) as later:
        sandbox.set(cdc_refuses=REFUSED[1:])
        for index in range(len(REFUSED)):
            sandbox.pop_log()
            assert failures(sync(later, ASKED)) == {}
            assert len(sandbox.pop_log()) <= 2
            fresh = [
                name for name, new in denied(later, sandbox, Capability.CHANGES).items() if new
            ]
            gone = set(REFUSED) - denied(later, sandbox, Capability.CHANGES).keys()
            assert len(fresh) + len(gone) == index + 1
        assert denied(later, sandbox, Capability.CHANGES).keys() == set(REFUSED[1:])
        modes = {each.entity: each.mode for each in sync(later, ASKED).results}
        assert (modes["Class"], modes["Bill"]) == (Mode.CDC, Mode.QUERY)


def test_what_changes_in_types_that_changes_refuse_is_found_by_query(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(cdc_refuses=REFUSED)
    sync(connected, ASKED)
    for _ in range(2):  # once while it is found out, once when it is known
        for name in REFUSED:
            sandbox.edit("update", name)
        sandbox.edit("delete", "Bill")
        assert failures(sync(connected, ASKED)) == {}
        assert differing(connected, sandbox, ASKED) == {}


def test_types_that_the_edition_lacks_are_not_asked_for_until_the_next_day(
    connected: Installation, sandbox: SandboxServer
) -> None:
    lacking = ["Class", "Budget"]
    sandbox.set(not_offered=lacking)
    result = sync(connected)
    assert failures(result) == {}
    assert {each.entity for each in result.results if each.note} >= set(lacking)
    sandbox.pop_log()
    result = sync(connected)
    assert failures(result) == {}
    assert {each.entity: each.note for each in result.results if each.entity in lacking} == (
        dict.fromkeys(lacking, "this company's edition has no such objects")
    )
    calls = sandbox.pop_log()
    assert len(calls) == 1
    assert not {word for call in calls for word in re.findall(r"\w+", call.target)} & set(lacking)
    states = connected.control.sync_states.read([realm_of(sandbox)])[realm_of(sandbox)]
    for name in lacking:
        assert states[name].last_sync_at is not None, "whoever looks after first loads is content"
        assert states[name].watermark is None
    company_status = connected.company_status(realm_of(sandbox))
    assert company_status is not None
    assert company_status.health.texts == ()

    sandbox.set(not_offered=[])
    with a_day_later(connected) as later:
        sync(later)
        sync(later)
        assert failures(sync(later)) == {}
        assert differing(later, sandbox) == {}
        assert denied(later, sandbox, Capability.OFFERED) == {}


def test_a_full_sync_looks_at_everything_again(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(not_offered=["Class", "Budget"])
    sync(connected, ASKED)
    sandbox.set(not_offered=[])
    assert failures(sync(connected, ASKED, full=True)) == {}
    assert differing(connected, sandbox, ASKED) == {}
    assert denied(connected, sandbox, Capability.OFFERED) == {}


def test_what_changed_before_a_type_was_refused_is_read_once_it_is_served_again(
    connected: Installation, sandbox: SandboxServer
) -> None:
    types = entity_types(["Class", "Customer"])
    assert failures(sync(connected, types)) == {}
    rewind(connected, timedelta(hours=2))
    an_hour_ago = int((connected.clock.now() - timedelta(hours=1)).timestamp())
    sandbox.edit("update", "Class", at=an_hour_ago)
    sandbox.set(not_offered=["Class"])
    assert failures(sync(connected, types, full=True)) == {}
    sandbox.set(not_offered=[])
    with a_day_later(connected) as later:
        for _ in range(2):
            assert failures(sync(later, types)) == {}
        assert differing(later, sandbox, types) == {}


def test_a_sync_that_finds_nothing_is_known_as_such_where_types_are_lacking(
    connected: Installation, sandbox: SandboxServer
) -> None:
    """It is no run of Dagster's then; hardly any company has all types."""
    sandbox.set(not_offered=["JournalCode", "ChangeOrder", "Class"])
    kept = entity_types(["JournalCode", "ChangeOrder", "Class", "Invoice", "TaxCode"])
    realm = realm_of(sandbox)
    assert failures(sync(connected, kept)) == {}
    with connected.service(realm).open_sync(SyncRequest(realm, kept)) as running:
        assert running.quiet()
        assert failures(running.run()) == {}
    sandbox.edit("update", "Invoice")
    with connected.service(realm).open_sync(SyncRequest(realm, kept)) as running:
        assert not running.quiet()


def test_a_batch_that_takes_fewer_items_is_asked_in_halves(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(batch_items=10, no_query=[])
    result = sync(connected)
    assert failures(result) == {}
    assert differing(connected, sandbox) == {}
    assert {each.entity for each in result.results if each.note} == set()
    assert result.api_calls < 30
    assert sync(connected, reconcile=True).api_calls < 15


def test_a_company_that_takes_no_batch_at_all_lacks_no_type_for_that(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(batch_items=0, no_query=[])
    kept = entity_types(["InventoryAdjustment", "JournalCode", "TaxPayment", "Invoice"])
    result = sync(connected, kept)
    assert failures(result) == {}
    assert differing(connected, sandbox, kept) == {}
    assert {each.entity for each in result.results if each.note} == set()
    assert denied(connected, sandbox, Capability.OFFERED) == {}
    assert denied(connected, sandbox, Capability.QUERY) == {}
