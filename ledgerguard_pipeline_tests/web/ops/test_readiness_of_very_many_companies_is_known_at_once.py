"""A probe has seconds to answer in; judging all companies may take longer."""

from __future__ import annotations

import json

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.health.summary import CompanyHealth, read_summaries
from ledgerguard_pipeline.web.ops.readiness import ANSWER_SECONDS, COUNTING_SHARE, Readiness
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.web.conftest import ACME, Edge

TAKES = 8.0


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[float]:
    """When all companies were judged, which takes that long here."""
    found: list[float] = []

    def slow(control: ControlPlane, settings: Settings) -> list[CompanyHealth]:
        found.append(clock.monotonic())
        clock.advance(TAKES)
        return read_summaries(control, settings)

    monkeypatch.setattr("ledgerguard_pipeline.web.ops.readiness.read_summaries", slow)
    return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def counts(ready: Readiness) -> dict[str, int]:
    answer = ready.ready()
    assert answer.status_code == 200
    found: dict[str, int] = json.loads(bytes(answer.body))["companies"]
    return found


def test_what_takes_long_is_done_rarely(edge: Edge, clock: FakeClock, judged: list[float]) -> None:
    ready = Readiness(edge.settings, lambda: edge.control, clock=clock)
    before = counts(ready)
    edge.control.companies.put(ACME)
    began = clock.monotonic()
    while clock.monotonic() - began < TAKES / COUNTING_SHARE - ANSWER_SECONDS:
        assert counts(ready) == before
        clock.advance(ANSWER_SECONDS)
    assert len(judged) == 1
    clock.advance(ANSWER_SECONDS)
    assert sum(counts(ready).values()) == 1
    assert len(judged) == 2
    edge.control.close()


def test_a_store_that_cannot_be_used_is_noticed_all_the_same(
    edge: Edge, clock: FakeClock, judged: list[float]
) -> None:
    away: list[ControlUnavailable] = []

    def control() -> ControlPlane:
        if away:
            raise away[0]
        return edge.control

    ready = Readiness(edge.settings, control, clock=clock)
    counts(ready)
    away.append(ControlUnavailable("It is away."))
    clock.advance(ANSWER_SECONDS)
    assert ready.ready().status_code == 503
    away.clear()
    clock.advance(ANSWER_SECONDS)
    counts(ready)
    assert len(judged) == 1
    edge.control.close()
