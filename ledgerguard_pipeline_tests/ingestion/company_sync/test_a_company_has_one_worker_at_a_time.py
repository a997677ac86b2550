"""A company's turn is held by one worker, kept while it works, and ends with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import CompanyBusy, Transient
from ledgerguard_pipeline.ingestion.company_sync.lease import TURN_SECONDS, Turns
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


def turns(control: ControlPlane) -> Turns:
    return Turns(control.leases, Environment.SANDBOX, clock=control.clock)


def test_who_comes_second_is_told_and_other_companies_are_free(control: ControlPlane) -> None:
    with turns(control).of(ONE):
        with pytest.raises(CompanyBusy) as caught, turns(control).of(ONE):
            pass
        assert isinstance(caught.value, Transient)
        assert caught.value.realm_id == ONE
        with turns(control).of(OTHER):
            pass
    with turns(control).of(ONE):
        pass


def test_the_turn_is_given_back_whatever_happens(control: ControlPlane) -> None:
    with pytest.raises(ZeroDivisionError), turns(control).of(ONE):
        raise ZeroDivisionError
    with turns(control).of(ONE):
        pass


def test_a_run_waits_for_its_turn(control: ControlPlane, clock: FakeClock) -> None:
    before = clock.monotonic()
    with (
        turns(control).of(ONE),
        pytest.raises(CompanyBusy),
        turns(control).of(ONE, wait_seconds=5),
    ):
        pass
    assert clock.monotonic() - before >= 5


def test_a_turn_is_kept_for_as_long_as_somebody_says_so(
    control: ControlPlane, clock: FakeClock
) -> None:
    mine = turns(control)
    with mine.of(ONE):
        for _ in range(4):
            clock.advance(TURN_SECONDS * 0.8)
            mine.beat()
        with pytest.raises(CompanyBusy), turns(control).of(ONE):
            pass
        clock.advance(TURN_SECONDS + 1)
        with turns(control).of(ONE):  # a paused holder loses it
            mine.beat()
    with turns(control).of(ONE):
        pass


def test_the_environments_do_not_share_turns(control: ControlPlane) -> None:
    production = Turns(control.leases, Environment.PRODUCTION, clock=control.clock)
    with turns(control).of(ONE), production.of(ONE):
        pass


def test_of_many_threads_one_works_at_a_time(tmp_path: Path) -> None:
    settings = Settings.model_validate({"ledgerguard_home": tmp_path / "home"})
    inside, most, done = 0, 0, 0
    lock = threading.Lock()

    def work(control: ControlPlane) -> None:
        nonlocal inside, most, done
        with turns(control).of(ONE, wait_seconds=60):
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
