from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.alerts.channels.configured import configured_channels
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher
from ledgerguard_pipeline.alerts.messages import Links
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline_tests.alerts.channels.mail_receiver import MailBox, mail_server
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox, http_receiver
from ledgerguard_pipeline_tests.alerts.problems import DEAD, observed
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard

REALM = "9341453474484455"
PASSWORD = "c4nary-password"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with http_receiver() as inbox:
        monkeypatch.setenv("LEDGERGUARD_ALERT_WEBHOOK_URL", inbox.url)
        monkeypatch.setenv("LEDGERGUARD_ALERT_WEBHOOK_SECRET", "c4nary-signing-secret")
        yield inbox


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with http_receiver() as inbox:
        monkeypatch.setenv("LEDGERGUARD_ALERT_SLACK_URL", f"{inbox.url}/c4nary-path")
        yield inbox


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailBox]:
    with mail_server() as box:
        box.user, box.password = "alerts", PASSWORD
        monkeypatch.setenv("LEDGERGUARD_SMTP_URL", f"smtp://alerts:{PASSWORD}@127.0.0.1:{box.port}")
        monkeypatch.setenv("LEDGERGUARD_ALERT_EMAIL_FROM", "alerts@example.com")
        monkeypatch.setenv("LEDGERGUARD_ALERT_EMAIL_TO", "a@example.com, b@example.com")
        yield box


def test_every_channel_gets_a_test_message(
    ledgerguard: Ledgerguard, webhook: Inbox, slack: Inbox, mail: MailBox
) -> None:
    outcome = ledgerguard("alerts", "test", "--json")

    assert outcome.code == 0, outcome.err
    sent = json.loads(outcome.out)["channels"]
    assert [(each["channel"], each["sent"]) for each in sent] == [
        ("webhook", True), ("slack", True), ("email", True),
    ]  # fmt: skip
    assert json.loads(webhook.posts[0].body)["kind"] == "test"
    assert "test message" in json.loads(slack.posts[0].body)["text"]
    assert mail.envelopes[0][1] == ["a@example.com", "b@example.com"]


def test_a_channel_that_fails_is_named_and_the_others_are_tried(
    ledgerguard: Ledgerguard, webhook: Inbox, slack: Inbox, mail: MailBox
) -> None:
    webhook.status = 404
    mail.password = "another"

    outcome = ledgerguard("alerts", "test")

    assert outcome.code == 1
    assert "FAIL  webhook: LEDGERGUARD_ALERT_WEBHOOK_URL answered 404" in outcome.out
    assert "ok    slack:" in outcome.out
    assert "FAIL  email: The mail server refuses user or password" in outcome.out
    assert "c4nary" not in outcome.out + outcome.err


def test_without_a_channel_it_says_which_settings_to_make(
    ledgerguard: Ledgerguard,
) -> None:
    outcome = ledgerguard("alerts", "test")
    assert outcome.code == 2
    assert "LEDGERGUARD_ALERT_SLACK_URL" in outcome.err


def test_what_each_channel_knows_can_be_listed(
    ledgerguard: Ledgerguard, settings: object, webhook: Inbox, slack: Inbox
) -> None:
    assert json.loads(ledgerguard("alerts", "list", "--json").out) == {"told": []}
    slack.status = 503
    current = load_settings()
    with ControlPlane.open(current) as control:
        dispatcher = AlertDispatcher(control, configured_channels(current), Links.of(current))
        dispatcher.observe([observed(REALM, DEAD)], lambda *_: True, control.now())
        dispatcher.tell()

    outcome = ledgerguard("alerts", "list", "--json")
    shown = ledgerguard("alerts", "list")

    sent = {each["channel"]: each for each in json.loads(outcome.out)["told"]}
    assert sent["webhook"]["knows_of"] == ["needs_reauth"]
    assert sent["webhook"]["realm_id"] == REALM
    assert (sent["slack"]["knows_of"], sent["slack"]["failed_attempts"]) == ([], 1)
    assert "503" in sent["slack"]["last_error"]
    assert "needs_reauth" in shown.out


@pytest.mark.parametrize(
    "name,value",
    [
        ("LEDGERGUARD_ALERT_WEBHOOK_URL", "http://alerts.example.com/c4nary"),
        ("LEDGERGUARD_ALERT_SLACK_URL", "ftp://alerts.example.com/c4nary"),
        ("LEDGERGUARD_ALERT_SLACK_URL", "c4nary"),
        ("LEDGERGUARD_SMTP_URL", "https://user:c4nary@mail.example.com"),
        ("LEDGERGUARD_SMTP_URL", "smtp://user:c4nary@mail.example.com:99999"),
        ("LEDGERGUARD_SMTP_URL", "smtp://user:c4nary@mail.example.com"),
        ("LEDGERGUARD_PUBLIC_URL", "http://books.example.com"),
        ("LEDGERGUARD_DAGSTER_URL", "dagster:3000"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_without_showing_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert name in caught.value.message
    assert "c4nary" not in caught.value.message
