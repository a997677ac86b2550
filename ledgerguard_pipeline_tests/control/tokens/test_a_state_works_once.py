from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import oauth_states
from ledgerguard_pipeline.errors import ConsentError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane


def test_a_state_is_accepted_and_then_refused(plane: ControlPlane) -> None:
    state = plane.states.issue()
    plane.states.consume(state)

    with pytest.raises(ConsentError, match="already been used"):
        plane.states.consume(state)


def test_states_are_long_and_never_repeat(plane: ControlPlane) -> None:
    states = {plane.states.issue() for _ in range(50)}

    assert len(states) == 50
    assert min(map(len, states)) >= 43


@pytest.mark.parametrize("forged", ["", "x", "\n", "é\ud800", "A" * 43])
def test_a_forged_state_is_refused(plane: ControlPlane, forged: str) -> None:
    plane.states.issue()
    with pytest.raises(ConsentError, match="not started here"):
        plane.states.consume(forged)


def test_a_state_expires(plane: ControlPlane, clock: FakeClock) -> None:
    state, late = plane.states.issue(ttl_seconds=600), plane.states.issue(ttl_seconds=600)
    clock.advance(599)
    plane.states.consume(state)
    clock.advance(1)
    with pytest.raises(ConsentError, match="expired"):
        plane.states.consume(late)


def test_a_state_belongs_to_one_browser_session(plane: ControlPlane) -> None:
    state = plane.states.issue(session="cookie-1")
    for session in ("", "cookie-2"):
        with pytest.raises(ConsentError, match="not started here"):
            plane.states.consume(state, session=session)
    plane.states.consume(state, session="cookie-1")


def test_a_state_belongs_to_one_environment(plane: ControlPlane, open_plane: OpenPlane) -> None:
    production = open_plane(clock=plane.clock, intuit_env=Environment.PRODUCTION)
    with pytest.raises(ConsentError, match="not started here"):
        production.states.consume(plane.states.issue())


def test_states_are_hashed_at_rest_and_swept(plane: ControlPlane, clock: FakeClock) -> None:
    state = plane.states.issue()
    with plane.database.read() as connection:
        assert state not in str(connection.execute(select(oauth_states)).all())
    clock.advance(2 * 86_400)
    plane.states.issue()
    with plane.database.read() as connection:
        assert len(connection.execute(select(oauth_states)).all()) == 1


def test_of_many_callers_at_once_one_gets_through(plane: ControlPlane) -> None:
    state = plane.states.issue()

    def consume(_: int) -> bool:
        try:
            plane.states.consume(state)
        except ConsentError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(consume, range(36))) == 1
