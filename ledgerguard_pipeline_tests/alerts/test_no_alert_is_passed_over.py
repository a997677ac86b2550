"""What could keep an alert from whoever waits for it, besides a channel that is down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.webhook import WebhookChannel
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher
from ledgerguard_pipeline.alerts.policy import INSTALLATION
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ChannelRejected, ChannelUnavailable
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox
from ledgerguard_pipeline_tests.alerts.ears import FIRST, LINKS, SECOND, Ear, tick
from ledgerguard_pipeline_tests.alerts.problems import DEAD, LAG, QUARANTINE, failed_run, observed
from ledgerguard_pipeline_tests.clocks import FakeClock

pytestmark = pytest.mark.usefixtures("companies")


def test_a_clock_that_was_set_back_silences_nothing(
    plane: ControlPlane, clock: FakeClock, ear: Ear
) -> None:
    tick(plane, ear, first=(QUARANTINE,), second=(LAG,))
    clock.advance(-86_400)
    tick(plane, ear, first=(DEAD,), second=(LAG,))
    assert [each.companies[0].new[0].kind for each in ear.heard] == ["quarantine", "needs_reauth"]
    tick(plane, ear, first=(DEAD,), second=(LAG,), at=180)
    assert ear.heard[-1].companies[0].new[0].kind == "webhook_lag"


def test_a_failed_run_is_noted_although_somebody_looked_a_moment_later(
    plane: ControlPlane, clock: FakeClock, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look takes its time after the failure was dated and is stored before it."""
    dispatcher = AlertDispatcher(plane, [ear], LINKS)
    dispatcher.observe(
        [observed(FIRST, QUARANTINE), observed(SECOND)], lambda *_: True, plane.now()
    )
    revise = plane.alerts.revise

    def late(*given: Any) -> None:
        monkeypatch.undo()
        clock.advance(1)
        dispatcher.observe([observed(FIRST), observed(SECOND)], lambda *_: True, plane.now())
        revise(*given)

    monkeypatch.setattr(plane.alerts, "revise", late)
    dispatcher.note_failed_run(FIRST, failed_run())
    tick(plane, ear, first=(QUARANTINE,))
    assert "run_failed" in {each.kind for each in ear.heard[-1].companies[0].new}


def test_the_others_hear_of_a_channel_that_stays_broken(plane: ControlPlane, ear: Ear) -> None:
    """Whoever relies on it hears nothing, and nobody else would know."""
    broken = Ear("broken")
    broken.trouble = ChannelRejected("LEDGERGUARD_ALERT_SLACK_URL answered 404.")
    for _ in range(2):
        tick(plane, ear, broken, first=(QUARANTINE,), at=900)
    assert [each.companies[0].realm_id for each in ear.heard] == [FIRST], "it may pass"
    for _ in range(4):
        tick(plane, ear, broken, first=(QUARANTINE,), at=900)
    (point,) = ear.heard[1].companies[0].new
    assert (point.kind, ear.heard[1].companies[0].realm_id) == ("channel_fails", INSTALLATION)
    assert "broken" in point.text
    assert "answered 404" in point.text

    broken.trouble = None
    for _ in range(3):
        tick(plane, ear, broken, first=(QUARANTINE,), at=900)
    assert len(ear.heard) == 3
    assert ear.heard[2].companies[0].over[0].kind == "channel_fails"
    (message,) = broken.heard
    assert [each.realm_id for each in message.companies] == [FIRST], "nothing about itself"


def test_a_channel_is_not_called_broken_for_what_was_over_before_it_could_be_sent(
    plane: ControlPlane, ear: Ear
) -> None:
    """Nothing would ever be sent to it about that company, and so nothing end the alert."""
    broken = Ear("broken")
    broken.trouble = ChannelUnavailable("gone")
    for _ in range(6):
        tick(plane, ear, broken, first=(QUARANTINE,), at=900)
    assert ear.heard[-1].companies[0].new[0].kind == "channel_fails"
    broken.trouble = None
    for _ in range(4):
        tick(plane, ear, broken, second=(LAG,), at=900)
    assert [each.companies[0].realm_id for each in broken.heard] == [SECOND]
    over = [point.kind for each in ear.heard for news in each.companies for point in news.over]
    assert sorted(over) == ["channel_fails", "quarantine"]


def test_a_channel_that_was_taken_away_is_not_called_broken(plane: ControlPlane, ear: Ear) -> None:
    broken = Ear("broken")
    broken.trouble = ChannelUnavailable("gone")
    for _ in range(2):
        tick(plane, broken, first=(QUARANTINE,), at=900)
    for _ in range(4):
        tick(plane, ear, first=(QUARANTINE,), at=900)
    assert [each.companies[0].realm_id for each in ear.heard] == [FIRST]


def test_another_message_has_another_id(plane: ControlPlane, inboxes: tuple[Inbox, Inbox]) -> None:
    """A receiver that drops repeats by the id would drop news as well."""
    inbox, _ = inboxes
    channel = WebhookChannel(Address(SecretStr(inbox.url), "LEDGERGUARD_ALERT_WEBHOOK_URL"))
    inbox.status = 504  # it took the message, and nobody heard of it
    tick(plane, channel, first=(QUARANTINE,))
    inbox.status = 200
    tick(plane, channel, first=(QUARANTINE, DEAD))
    AlertDispatcher(plane, [channel], LINKS).observe(
        [observed(SECOND)], lambda *_: True, plane.now()
    )
    tick(plane, channel, first=(DEAD,))
    ids = [json.loads(post.body)["id"] for post in inbox.posts]
    assert len(ids) == 3, "the company was forgotten in between, and connected again"
    assert len(set(ids)) == 3
