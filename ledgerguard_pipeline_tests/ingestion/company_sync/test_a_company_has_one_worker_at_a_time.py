"""A company's lease is held by one worker, kept while it works, and ends with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import CompanyBusy, Transient
from ledgerguard_pipeline.ingestion.company_sync.lease import COMPANY_LEASE_SECONDS, CompanyLeases
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock

ONE, OTHER = RealmId("9341453474484455"), RealmId("9341453474484456")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[ControlPlane]:
    settings = Settings.model_validate({"ledgerguard_home": tmp_path / "home"})
    with ControlPlane.open(settings, clock=clock) as plane:
        yield plane


def leases(control: ControlPlane) -> CompanyLeases:
    return CompanyLeases(control.leases, Environment.SANDBOX, clock=control.clock)


def test_who_comes_second_is_refused_and_other_companies_are_free(control: ControlPlane) -> None:
    with leases(control).of(ONE):
        with pytest.raises(CompanyBusy) as caught, leases(control).of(ONE):
            pass
        assert isinstance(caught.value, Transient)
        assert caught.value.realm_id == ONE
        with leases(control).of(OTHER):
            pass
    with leases(control).of(ONE):
        pass


def test_the_lease_is_given_back_whatever_happens(control: ControlPlane) -> None:
    with pytest.raises(ZeroDivisionError), leases(control).of(ONE):
        raise ZeroDivisionError
    with leases(control).of(ONE):
        pass


def test_a_run_waits_for_the_lease(control: ControlPlane, clock: FakeClock) -> None:
    before = clock.monotonic()
    with (
        leases(control).of(ONE),
        pytest.raises(CompanyBusy),
        leases(control).of(ONE, wait_seconds=5),
    ):
        pass
    assert clock.monotonic() - before >= 5


def test_a_lease_is_kept_for_as_long_as_somebody_says_so(
    control: ControlPlane, clock: FakeClock
) -> None:
    mine = leases(control)
    with mine.of(ONE):
        for _ in range(4):
            clock.advance(COMPANY_LEASE_SECONDS * 0.8)
            mine.beat()
        with pytest.raises(CompanyBusy), leases(control).of(ONE):
            pass
        clock.advance(COMPANY_LEASE_SECONDS + 1)
        with leases(control).of(ONE):  # a paused holder loses it
            mine.beat()
    with leases(control).of(ONE):
        pass


def test_the_environments_do_not_share_leases(control: ControlPlane) -> None:
    production = CompanyLeases(control.leases, Environment.PRODUCTION, clock=control.clock)
    with leases(control).of(ONE), production.of(ONE):
        pass


def test_of_many_threads_one_works_at_a_time(tmp_path: Path) -> None:
    settings = Settings.model_validate({"ledgerguard_home": tmp_path / "home"})
    inside, most, done = 0, 0, 0
    lock = threading.Lock()

    def work(control: ControlPlane) -> None:
        nonlocal inside, most, done
        with leases(control).of(ONE, wait_seconds=60):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1
                done += 1

    with ControlPlane.open(settings) as control:
        threads = [threading.Thread(target=work, args=(control,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (most, done) == (1, 5)
