"""One message per change and channel, whoever ticks, dies or fails; on every kind of database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

import ledgerguard_pipeline
from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.message import Mood
from ledgerguard_pipeline.alerts.channels.webhook import WebhookChannel
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher
from ledgerguard_pipeline.alerts.policy import INSTALLATION, Alert
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.alert_state import CLAIM_SECONDS
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ChannelRejected, ChannelUnavailable
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox
from ledgerguard_pipeline_tests.alerts.ears import FIRST, LINKS, SECOND, Ear, tick
from ledgerguard_pipeline_tests.alerts.problems import (
    BUDGET,
    DEAD,
    QUARANTINE,
    failed_run,
    observed,
)
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

SOURCE = Path(ledgerguard_pipeline.__file__).parents[1]

pytestmark = pytest.mark.usefixtures("companies")


def test_a_change_is_sent_once_and_its_end_too(plane: ControlPlane, ear: Ear) -> None:
    tick(plane, ear)
    for _ in range(4):
        tick(plane, ear, first=(DEAD,))
    (message,) = ear.heard
    assert message.mood is Mood.PROBLEM
    (company,) = message.companies
    assert (company.realm_id, company.name, company.state) == (FIRST, "Company 55", "unhealthy")
    assert company.page == f"https://books.example.com/companies/{FIRST}"
    assert company.new[0].runbook == "docs/runbook.md#needs_reauth"
    for _ in range(4):
        tick(plane, ear)
    assert [each.mood for each in ear.heard] == [Mood.PROBLEM, Mood.RECOVERED]
    assert ear.heard[1].companies[0].over[0].text == "Intuit no longer accepts its grant."


def test_a_restart_tells_nothing_again(
    open_plane: OpenPlane, plane: ControlPlane, clock: FakeClock, ear: Ear
) -> None:
    tick(plane, ear, first=(DEAD,))
    tick(open_plane(clock=clock), ear, first=(DEAD,))
    assert len(ear.heard) == 1


def test_a_failing_channel_is_tried_again_and_the_others_hear_once(
    plane: ControlPlane, ear: Ear
) -> None:
    broken = Ear("broken")
    broken.trouble = ChannelUnavailable("busy")
    summary = tick(plane, ear, broken, first=(DEAD,))
    assert (summary.sent, summary.failed) == ({"ear": 1}, {"broken": "busy"})
    broken.trouble = None
    tick(plane, ear, broken, first=(DEAD,))
    assert (len(ear.heard), len(broken.heard)) == (1, 1)
    assert ear.heard[0].id != broken.heard[0].id


def test_a_channel_that_stays_broken_is_tried_ever_more_rarely(
    plane: ControlPlane, ear: Ear
) -> None:
    ear.trouble = ChannelRejected("gone")
    for _ in range(60):
        tick(plane, ear, first=(DEAD,), at=120)
    assert 8 <= ear.tries <= 14, "in two hours"
    (sent,) = plane.alerts.sent()
    assert (sent.attempts, sent.last_error) == (ear.tries, "gone")


def test_a_channel_may_say_when_to_come_again(plane: ControlPlane, ear: Ear) -> None:
    ear.trouble = ChannelUnavailable("busy", retry_after=600)
    for _ in range(20):
        tick(plane, ear, first=(DEAD,))
    assert ear.tries == 1
    tick(plane, ear, first=(DEAD,))
    assert ear.tries == 2


def test_what_is_over_before_a_channel_heard_of_it_is_not_sent(
    plane: ControlPlane, ear: Ear
) -> None:
    ear.trouble = ChannelUnavailable("busy")
    tick(plane, ear, first=(DEAD,))
    ear.trouble = None
    tick(plane, ear, at=3600)
    assert ear.heard == []


def test_a_new_channel_hears_what_is_wrong_now(plane: ControlPlane, ear: Ear) -> None:
    tick(plane, ear, first=(QUARANTINE,))
    late = Ear("late")
    tick(plane, ear, late, first=(QUARANTINE,))
    assert (len(ear.heard), len(late.heard)) == (1, 1)


def test_a_bug_in_a_channel_does_not_reach_the_tick(plane: ControlPlane, ear: Ear) -> None:
    broken = Ear("broken")
    broken.trouble = ZeroDivisionError("secret detail")
    summary = tick(plane, broken, ear, first=(DEAD,))
    assert summary.sent == {"ear": 1}
    assert summary.failed["broken"] == "ZeroDivisionError"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_dies_while_sending_is_replaced(plane: ControlPlane, ear: Ear) -> None:
    ear.trouble = SystemExit()  # ends its thread between the channel's yes and writing it down
    tick(plane, ear, first=(DEAD,))
    ear.trouble = None
    tick(plane, ear, first=(DEAD,))
    assert len(ear.heard) == 1, "its claim still stands"
    tick(plane, ear, first=(DEAD,), at=CLAIM_SECONDS)
    tick(plane, ear, first=(DEAD,))
    assert len(ear.heard) == 2
    assert ear.heard[0].id == ear.heard[1].id, "a receiver can tell the repetition"


def test_many_companies_at_once_are_one_message(plane: ControlPlane, ear: Ear) -> None:
    realms = [f"93414534744900{n:02d}" for n in range(40)]
    dispatcher = AlertDispatcher(plane, [ear], LINKS)
    dispatcher.observe([observed(each, DEAD) for each in realms], lambda *_: True, plane.now())
    dispatcher.tell()
    (message,) = ear.heard
    assert {each.realm_id for each in message.companies} == set(realms)
    dispatcher.tell()
    assert len(ear.heard) == 1


def test_what_concerns_all_companies_is_sent_once_for_all(plane: ControlPlane, ear: Ear) -> None:
    tick(plane, ear, first=(BUDGET,), second=(BUDGET,))
    (message,) = ear.heard
    (sent,) = message.companies
    assert (sent.realm_id, sent.name) == (INSTALLATION, "This installation")
    assert sent.page == "https://books.example.com/"
    tick(plane, ear, first=(replace(BUDGET, grade="95%"),), second=(replace(BUDGET, grade="95%"),))
    tick(plane, ear)
    assert [each.mood for each in ear.heard] == [Mood.PROBLEM, Mood.PROBLEM, Mood.RECOVERED]


def test_a_failed_run_is_sent_with_its_link_until_a_later_one_succeeds(
    plane: ControlPlane, ear: Ear
) -> None:
    for attempt in ("r1", "r2", "r3"):
        AlertDispatcher(plane, (), LINKS).note_failed_run(FIRST, failed_run(attempt))
        tick(plane, ear)
    (message,) = ear.heard
    (point,) = message.companies[0].new
    assert point.link == "https://dagster.example.com/runs/r1"
    assert point.runbook == "docs/runbook.md#run_failed"
    tick(plane, ear, failing=False)
    assert ear.heard[1].mood is Mood.RECOVERED
    AlertDispatcher(plane, (), LINKS).note_failed_run(FIRST, failed_run("r4"))
    tick(plane, ear)
    assert len(ear.heard) == 3


def test_a_run_that_fails_while_the_last_one_is_asked_about_is_kept(
    plane: ControlPlane, ear: Ear
) -> None:
    AlertDispatcher(plane, (), LINKS).note_failed_run(FIRST, failed_run("r1"))
    dispatcher = AlertDispatcher(plane, [ear], LINKS)

    def asked(_realm: str, _finding: Alert) -> bool:
        dispatcher.note_failed_run(FIRST, failed_run("r2"))
        return False

    dispatcher.observe([observed(FIRST), observed(SECOND)], asked, plane.now())
    dispatcher.tell()
    assert [each.mood for each in ear.heard] == [Mood.PROBLEM]
    assert ear.heard[0].companies[0].new[0].link == "https://dagster.example.com/runs/r2"


def test_an_older_look_changes_nothing(plane: ControlPlane, clock: FakeClock, ear: Ear) -> None:
    dispatcher = AlertDispatcher(plane, [ear], LINKS)
    before = plane.now()
    clock.advance(60)
    dispatcher.observe([observed(FIRST, DEAD)], lambda *_: True, plane.now())
    dispatcher.observe([observed(FIRST)], lambda *_: True, before)
    dispatcher.tell()
    assert [each.mood for each in ear.heard] == [Mood.PROBLEM]


def test_a_forgotten_company_leaves_nothing(plane: ControlPlane, ear: Ear) -> None:
    tick(plane, ear, first=(DEAD,))
    dispatcher = AlertDispatcher(plane, [ear], LINKS)
    dispatcher.observe([observed(SECOND)], lambda *_: True, plane.now())
    dispatcher.tell()
    assert len(ear.heard) == 1
    assert plane.alerts.alert_states() == {}
    assert plane.alerts.sent() == []


def test_nothing_is_written_while_nothing_changes(plane: ControlPlane, ear: Ear) -> None:
    tick(plane, ear, first=(QUARANTINE,))
    before = (plane.alerts.alert_states(), plane.alerts.sent())
    tick(plane, ear, first=(replace(QUARANTINE, text="4 records are in quarantine."),))
    assert (plane.alerts.alert_states(), plane.alerts.sent()) == before


def test_no_secret_travels_or_is_kept(plane: ControlPlane, ear: Ear) -> None:
    leak = "refresh_token=AB11c4naryc4naryc4naryc4nary"
    tick(plane, ear, first=(replace(DEAD, text=f"It failed with {leak}\nand\x1b[2J more."),))
    shown = ear.heard[0].text() + json.dumps(ear.heard[0].to_json())
    kept = f"{plane.alerts.alert_states()}{plane.alerts.sent()}"
    for text in (shown, kept):
        assert "c4nary" not in text
    assert "\x1b" not in shown


def test_daemons_ticking_at_once_send_one_message_per_channel(
    store_settings: Settings, plane: ControlPlane, inboxes: tuple[Inbox, Inbox]
) -> None:
    webhook, slack = inboxes
    control_url = store_settings.ledgerguard_control_url
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "LEDGERGUARD_HOME": str(store_settings.ledgerguard_home),
        "LEDGERGUARD_CONTROL_URL": "" if control_url is None else control_url.get_secret_value(),
        "LEDGERGUARD_ALERT_WEBHOOK_URL": webhook.url,
        "LEDGERGUARD_ALERT_SLACK_URL": slack.url,
    }
    dispatching_process = [
        sys.executable,
        "-m",
        "ledgerguard_pipeline_tests.alerts.dispatching_process",
        FIRST,
        SECOND,
    ]
    daemons = [
        subprocess.Popen(
            dispatching_process,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for daemon in daemons:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "ready\n"
    for daemon in daemons:
        assert daemon.stdin is not None
        daemon.stdin.write("go\n")
        daemon.stdin.flush()
    sent = [int(daemon.communicate(timeout=60)[0]) for daemon in daemons]

    assert sum(sent) == 4, "two companies on two channels"
    for inbox in (webhook, slack):
        texts = [json.loads(post.body)["text"] for post in inbox.posts]
        assert len(texts) == 2
        assert len(set(texts)) == 2


def test_the_webhook_channel_keeps_its_message_id_over_attempts(
    plane: ControlPlane, inboxes: tuple[Inbox, Inbox]
) -> None:
    inbox, _ = inboxes
    channel = WebhookChannel(Address(SecretStr(inbox.url), "LEDGERGUARD_ALERT_WEBHOOK_URL"))
    inbox.status = 503
    tick(plane, channel, first=(DEAD,))
    inbox.status = 200
    tick(plane, channel, first=(DEAD,))
    tick(plane, channel, first=(DEAD,))
    ids = [json.loads(post.body)["id"] for post in inbox.posts]
    assert len(ids) == 2
    assert len(set(ids)) == 1
