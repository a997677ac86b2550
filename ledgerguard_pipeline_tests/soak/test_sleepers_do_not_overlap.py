"""Of two processes that sleep with fresh tokens one would hold the only ones that are valid."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import pytest

from ledgerguard_pipeline_tests.soak import stall
from ledgerguard_pipeline_tests.soak.actions import Actions
from ledgerguard_pipeline_tests.soak.stall import Stalls

REALM = "9341453474484457"


def test_the_next_sleeper_waits_until_the_one_before_is_awake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asleep: list[str] = []
    most: list[int] = []
    both = threading.Barrier(2)

    def put_to_sleep(_actions: Actions, realm: str) -> str:
        asleep.append(realm)
        most.append(len(asleep))
        return realm

    def wake(_actions: Actions, _sleeper: object) -> None:
        actions.ending.wait(0.05)
        asleep.pop()

    def carry_out() -> None:
        both.wait(10)
        stalls.carry_out(REALM)

    monkeypatch.setattr(stall, "put_to_sleep", put_to_sleep)
    monkeypatch.setattr(stall, "wake", wake)
    actions = cast(Actions, SimpleNamespace(ending=threading.Event(), lost_answers=0))
    stalls = Stalls(actions, set())
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(carry_out) for _ in range(2)]
    for each in done:
        each.result()
    assert most == [1, 1]
    assert actions.lost_answers == 2


def test_nobody_is_put_to_sleep_once_the_soak_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "put_to_sleep", lambda *_: pytest.fail("put to sleep"))
    actions = cast(Actions, SimpleNamespace(ending=threading.Event()))
    actions.ending.set()
    quiet: set[str] = set()
    Stalls(actions, quiet).carry_out(REALM)
    assert quiet == set()
