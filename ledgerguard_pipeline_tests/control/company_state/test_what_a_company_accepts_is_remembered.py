"""What a company's API was seen to accept is kept for all processes and looked at again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledgerguard_pipeline.capabilities import (
    LOOK_AGAIN_AFTER,
    Capabilities,
    Capability,
    CapabilityMemory,
    OwnMemory,
    Seen,
)
from ledgerguard_pipeline.control.company_state.capabilities import CapabilityStore
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import capabilities
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock

FIRST, SECOND = RealmId("9341453474484455"), RealmId("93414534744844550001")


@pytest.fixture(params=["stored", "own"])
def memory(
    request: pytest.FixtureRequest, plane: ControlPlane, clock: FakeClock
) -> CapabilityMemory:
    return plane.capabilities if request.param == "stored" else OwnMemory(clock)


def test_what_was_seen_last_is_known_per_company_and_type(
    memory: CapabilityMemory, clock: FakeClock
) -> None:
    memory.note(FIRST, "Invoice", Capability.PAGE_ROWS, "500")
    memory.note(FIRST, "Invoice", Capability.PAGE_ROWS, "250")
    memory.note(FIRST, "Class", Capability.CHANGES, "no")
    memory.note(SECOND, "Class", Capability.OFFERED, "no")
    assert memory.read(FIRST) == {
        ("Invoice", Capability.PAGE_ROWS): Seen("250", clock.now()),
        ("Class", Capability.CHANGES): Seen("no", clock.now()),
    }
    memory.drop(FIRST, "Invoice", Capability.PAGE_ROWS)
    assert set(memory.read(FIRST)) == {("Class", Capability.CHANGES)}
    memory.forget(FIRST)
    assert not memory.read(FIRST)
    assert set(memory.read(SECOND)) == {("Class", Capability.OFFERED)}


def test_it_is_looked_at_again_after_a_day(memory: CapabilityMemory, clock: FakeClock) -> None:
    Capabilities(memory, FIRST, clock=clock).note("Class", Capability.CHANGES, "no")
    another = Capabilities(memory, FIRST, clock=clock)
    assert another.denied("Class", Capability.CHANGES)
    clock.advance((LOOK_AGAIN_AFTER - timedelta(seconds=1)).total_seconds())
    assert another.denied("Class", Capability.CHANGES)
    clock.advance(1)
    assert not another.denied("Class", Capability.CHANGES)
    assert another.value("Class", Capability.CHANGES) is None
    seen = another.seen("Class", Capability.CHANGES)
    assert seen is not None
    assert (seen.value, another.is_old(seen)) == ("no", True)
    another.note("Class", Capability.CHANGES, "no")
    assert another.denied("Class", Capability.CHANGES)


def test_what_another_process_sees_is_known_within_minutes(
    memory: CapabilityMemory, clock: FakeClock
) -> None:
    here, there = (Capabilities(memory, FIRST, clock=clock) for _ in range(2))
    assert here.value("Bill", Capability.ORDER) is None
    there.note("Bill", Capability.ORDER, "one")
    clock.advance(300)
    assert here.value("Bill", Capability.ORDER) == "one"
    here.drop("Bill", Capability.ORDER)
    assert here.value("Bill", Capability.ORDER) is None
    assert not memory.read(FIRST)


def test_several_observations_are_noted_at_once(memory: CapabilityMemory, clock: FakeClock) -> None:
    known = Capabilities(memory, FIRST, clock=clock)
    known.note("Bill", Capability.ORDER, "one")
    found = {("Bill", Capability.ORDER): "two", ("Class", Capability.CHANGES): "no"}
    known.note_all(found)
    known.note_all({})
    for reader in (known, Capabilities(memory, FIRST, clock=clock)):
        assert {subject: reader.value(*subject) for subject in found} == found
    assert {subject: seen.value for subject, seen in memory.read(FIRST).items()} == found


def test_environments_are_kept_apart(plane: ControlPlane) -> None:
    other = CapabilityStore(plane.database, Environment.PRODUCTION)
    assert plane.environment is Environment.SANDBOX
    plane.capabilities.note(FIRST, "Class", Capability.CHANGES, "no")
    assert not other.read(FIRST)
    other.forget(FIRST)
    assert plane.capabilities.read(FIRST)


def test_a_store_that_cannot_be_used_costs_calls_but_no_sync(
    plane: ControlPlane, clock: FakeClock
) -> None:
    known = Capabilities(plane.capabilities, FIRST, clock=clock)
    with plane.database.write(None) as connection:
        capabilities.drop(connection)
    try:
        assert known.value("Class", Capability.CHANGES) is None
        known.note("Class", Capability.CHANGES, "no")
        assert known.denied("Class", Capability.CHANGES)
        known.drop("Class", Capability.CHANGES)
        assert not known.denied("Class", Capability.CHANGES)
    finally:
        with plane.database.write(None) as connection:
            capabilities.create(connection)
