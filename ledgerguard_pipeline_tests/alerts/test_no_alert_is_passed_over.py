"""What could keep an alert from whoever waits for it, besides a channel that is down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.webhook import WebhookChannel
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher
from ledgerguard_pipeline.control.plane import ControlPlane
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
