"""How Bronze can differ from the books, and which promise that breaks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.sandbox.api.control import TruthLine
from ledgerguard_pipeline_tests.soak.outcome import PROMISES, Outcome
from ledgerguard_pipeline_tests.soak.truth import Difference, Held, Wrong, judge

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
NOON, LATER = datetime(2026, 11, 1, 12, tzinfo=UTC), datetime(2026, 11, 1, 13, tzinfo=UTC)
BODY = b'{"Id":"7"}'


def line(at: datetime = NOON, token: int = 3, *, active: bool = True) -> TruthLine:
    return TruthLine(
        id="7", updated=int(at.timestamp()), sync_token=token, active=active, body=BODY.decode()
    )


def held(
    state: str = "active", token: str = "3", at: datetime = NOON, payload: bytes = BODY
) -> Held:
    return Held(state, token, at, payload)


def test_what_agrees_is_not_reported() -> None:
    assert judge(INVOICE, line(), BODY, held()) is None
    assert judge(INVOICE, None, None, held("deleted")) is None
    assert judge(INVOICE, None, None, None) is None
    assert judge(CUSTOMER, line(active=False), BODY, held("inactive")) is None


@pytest.mark.parametrize(
    "truth, row, wrong, sweep",
    [
        (line(), None, Wrong.LOST, True),
        (line(), held("deleted"), Wrong.BURIED_ALIVE, True),
        (None, held(), Wrong.UNDEAD, True),
        (line(LATER, 4), held(payload=b"{}"), Wrong.STALE, True),
        (line(), held(payload=b"{}"), Wrong.ALTERED, False),
    ],
)
def test_each_difference_has_its_name(
    truth: TruthLine | None, row: Held | None, wrong: Wrong, *, sweep: bool
) -> None:
    body = None if truth is None else BODY
    found = judge(INVOICE, truth, body, row)
    assert found is not None
    assert (found[0], found[2]) == (wrong, sweep)


def test_an_active_object_called_inactive_is_in_a_wrong_state() -> None:
    found = judge(CUSTOMER, line(), BODY, held("inactive"))
    assert found is not None
    assert found[0] is Wrong.STATE


def test_an_outcome_says_which_promise_broke_and_how_to_repeat_it() -> None:
    found = Outcome(41, 2, "embedded")
    assert "Every promise held." in found.text()
    found.differences(
        "after a sweep",
        [
            Difference(
                Wrong.LOST, "9341453474484455", "Invoice", "7", "its version is nowhere", sweep=True
            )
        ],
    )
    assert not found.held
    text = found.text()
    assert PROMISES[Wrong.LOST] in text
    assert "Invoice 7" in text
    assert 'make soak ARGS="--minutes 2 --seed 41 --stack embedded"' in text
    assert '"held": false' in found.to_json()


def test_a_soak_of_seconds_is_repeated_by_seconds() -> None:
    command = 'make soak ARGS="--seconds 45 --seed 41 --stack embedded --only edit,stall"'
    assert Outcome(41, 0.75, "embedded", only=["edit", "stall"]).command() == command
