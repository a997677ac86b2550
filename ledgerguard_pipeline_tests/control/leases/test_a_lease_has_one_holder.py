from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledgerguard_pipeline.control.leases.process_identity import this_process
from ledgerguard_pipeline.control.leases.sql_store import DEAD_HOLDER_SECONDS
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ControlUnavailable, LostRace
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.leases.dead_process import dead_process
from ledgerguard_pipeline_tests.stores import on_all_stores

pytestmark = on_all_stores


def test_a_held_lease_is_refused_to_everybody(plane: ControlPlane) -> None:
    assert plane.leases.acquire("refresh", "a", 10) is not None
    assert plane.leases.acquire("refresh", "b", 10) is None
    assert plane.leases.acquire("refresh", "a", 10) is None
    assert plane.leases.acquire("other", "b", 10) is not None


def test_held_leases_are_named_at_once(plane: ControlPlane, clock: FakeClock) -> None:
    plane.leases.acquire("ended", "a", 5)
    freed = plane.leases.acquire("freed", "a", 60)
    assert freed is not None
    plane.leases.release(freed)
    clock.advance(6)
    plane.leases.acquire("held", "b", 60)
    plane.leases.acquire("not asked for", "b", 60)

    assert plane.leases.held(["ended", "freed", "held", "never"]) == {"held"}


def test_a_lease_ends_by_itself_and_the_next_fence_is_higher(
    plane: ControlPlane, clock: FakeClock
) -> None:
    first = plane.leases.acquire("refresh", "a", 10)
    clock.advance(10)
    second = plane.leases.acquire("refresh", "b", 10)

    assert first is not None
    assert second is not None
    assert second.fence == first.fence + 1


def test_a_late_holder_frees_and_renews_nothing(plane: ControlPlane, clock: FakeClock) -> None:
    first = plane.leases.acquire("refresh", "a", 10)
    assert first is not None
    clock.advance(11)
    second = plane.leases.acquire("refresh", "a", 10)
    assert second is not None

    assert plane.leases.release(first) is False
    with pytest.raises(LostRace):
        plane.leases.renew(first, 10)
    assert plane.leases.acquire("refresh", "b", 10) is None
    assert plane.leases.release(second) is True
    third = plane.leases.acquire("refresh", "b", 10)
    assert third is not None
    assert third.fence == second.fence + 1


def test_renewing_holds_on(plane: ControlPlane, clock: FakeClock) -> None:
    lease = plane.leases.acquire("refresh", "a", 10)
    assert lease is not None
    clock.advance(9)
    lease = plane.leases.renew(lease, 10)
    clock.advance(9)
    assert plane.leases.acquire("refresh", "b", 10) is None
    assert plane.leases.release(lease) is True


def test_holding_waits_for_the_lease_and_gives_it_back(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.leases.acquire("refresh", "a", 2)
    with plane.leases.holding("refresh", ttl_seconds=10, wait_seconds=5) as lease:
        assert lease.fence == 2
        assert sum(clock.slept) >= 2
    assert plane.leases.acquire("refresh", "b", 10) is not None


def test_holding_gives_up_at_its_limit(plane: ControlPlane) -> None:
    plane.leases.acquire("refresh", "a", 60)
    with (
        pytest.raises(ControlUnavailable, match="refresh"),
        plane.leases.holding("refresh", ttl_seconds=10, wait_seconds=5),
    ):
        pass


def test_holding_gives_the_lease_back_after_a_failure(plane: ControlPlane) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        plane.leases.holding("refresh", ttl_seconds=10, wait_seconds=5),
    ):
        raise ZeroDivisionError
    assert plane.leases.acquire("refresh", "b", 10) is not None


def test_the_lease_of_a_killed_process_ends_soon_but_not_at_once(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.leases.acquire("refresh", f"{dead_process()}/1", 90)
    assert plane.leases.acquire("refresh", "b", 10) is None
    clock.advance(DEAD_HOLDER_SECONDS)
    assert plane.leases.acquire("refresh", "b", 10) is not None


def test_asking_again_and_again_does_not_prolong_the_lease_of_a_killed_process(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.leases.acquire("refresh", f"{dead_process()}/1", 90)
    for _ in range(int(DEAD_HOLDER_SECONDS)):
        assert plane.leases.acquire("refresh", "b", 10) is None
        clock.advance(1)
    assert plane.leases.acquire("refresh", "b", 10) is not None


def test_the_lease_of_a_living_process_is_left_alone(plane: ControlPlane, clock: FakeClock) -> None:
    plane.leases.acquire("refresh", f"{this_process()}/1", 90)
    assert plane.leases.acquire("refresh", "b", 10) is None
    clock.advance(DEAD_HOLDER_SECONDS)
    assert plane.leases.acquire("refresh", "b", 10) is None


def test_of_many_callers_at_once_one_gets_the_lease(plane: ControlPlane) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda each: plane.leases.acquire("refresh", f"o{each}", 60), range(24))
        )
    assert len([lease for lease in found if lease is not None]) == 1
