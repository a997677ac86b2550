from __future__ import annotations

import hashlib
import hmac
import json
import logging

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.message import Mood
from ledgerguard_pipeline.alerts.channels.slack import SlackChannel
from ledgerguard_pipeline.alerts.channels.webhook import (
    MESSAGE_HEADER,
    SIGNATURE_HEADER,
    WebhookChannel,
)
from ledgerguard_pipeline.errors import AlertError, ChannelRejected, ChannelUnavailable, Transient
from ledgerguard_pipeline.observability.logs import RedactingFilter
from ledgerguard_pipeline.observability.redaction import redact
from ledgerguard_pipeline_tests.alerts.channels.certificates import Certificates
from ledgerguard_pipeline_tests.alerts.channels.messages import REALM, dead, message
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox, http_receiver
from ledgerguard_pipeline_tests.clocks import FakeClock

SECRET = SecretStr("a-signing-secret-for-tests")


def address(url: str, **options: object) -> Address:
    return Address(SecretStr(url), "LEDGERGUARD_ALERT_WEBHOOK_URL", **options)  # type: ignore[arg-type]  # by name


def test_the_webhook_gets_everything_as_json(inbox: Inbox) -> None:
    assert WebhookChannel(address(inbox.url)).send(message()) is None

    (post,) = inbox.posts
    sent = json.loads(post.body)
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers[MESSAGE_HEADER] == sent["id"] == message().id
    assert (sent["kind"], sent["environment"], sent["at"]) == (
        "problem", "production", "2026-11-22T12:00:00Z",
    )  # fmt: skip
    (company,) = sent["companies"]
    assert (company["realm_id"], company["name"], company["state"]) == (
        REALM, "Craig's Design", "unhealthy",
    )  # fmt: skip
    assert company["new"][0]["kind"] == "needs_reauth"
    assert company["page"].endswith(f"#company-{REALM}")
    assert REALM in sent["title"]
    assert "Intuit no longer accepts its grant." in sent["text"]


def test_the_signature_covers_moment_and_body(inbox: Inbox) -> None:
    clock = FakeClock()
    WebhookChannel(address(inbox.url), SECRET, clock=clock).send(message())

    (post,) = inbox.posts
    moment = int(clock.now().timestamp())
    expected = hmac.new(
        SECRET.get_secret_value().encode(), f"{moment}.".encode() + post.body, hashlib.sha256
    ).hexdigest()
    assert post.headers[SIGNATURE_HEADER] == f"t={moment},v1={expected}"


def test_without_a_secret_nothing_pretends_to_be_signed(inbox: Inbox) -> None:
    WebhookChannel(address(inbox.url)).send(message())
    assert SIGNATURE_HEADER not in inbox.posts[0].headers


def test_slack_gets_one_text_in_which_names_mean_nothing(inbox: Inbox) -> None:
    SlackChannel(address(inbox.url)).send(message(dead("<!channel> & <https://evil|Co>")))

    sent = json.loads(inbox.posts[0].body)
    assert set(sent) == {"text"}
    assert "&lt;!channel&gt; &amp; &lt;https://evil|Co&gt;" in sent["text"]
    assert "<" not in sent["text"]
    assert f"https://books.example.com/#company-{REALM}" in sent["text"]


def test_a_message_about_many_companies_stays_readable(inbox: Inbox) -> None:
    many = [dead(f"Company {n}", f"93414534744{n:05d}") for n in range(300)]
    SlackChannel(address(inbox.url)).send(message(*many))
    WebhookChannel(address(inbox.url)).send(message(*many))

    text = json.loads(inbox.posts[0].body)["text"]
    assert "300 companies changed: 300 unhealthy" in text
    assert "and 275 more" in text
    assert len(json.loads(inbox.posts[1].body)["companies"]) == 300


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_channel_is_tried_again(inbox: Inbox, status: int) -> None:
    inbox.status, inbox.headers = status, {"Retry-After": "17"}
    with pytest.raises(ChannelUnavailable, match=str(status)) as caught:
        WebhookChannel(address(inbox.url)).send(message())
    assert isinstance(caught.value, Transient)
    assert caught.value.retry_after == 17


@pytest.mark.parametrize("status", [301, 400, 403, 404, 410])
def test_a_channel_that_refuses_needs_somebody(inbox: Inbox, status: int) -> None:
    inbox.status, inbox.headers = status, {"Location": inbox.url}
    with pytest.raises(ChannelRejected, match="ledgerguard alerts test"):
        SlackChannel(address(inbox.url)).send(message())
    assert len(inbox.posts) == 1, "a redirect is not followed"


def test_an_answer_that_drips_is_cut_off(inbox: Inbox) -> None:
    inbox.drip = True
    with pytest.raises(ChannelUnavailable):
        WebhookChannel(address(inbox.url, total_seconds=0.2)).send(message())
    assert inbox.hung_up.wait(10)


def test_the_address_is_a_secret_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    hidden = "T0001-B0002-c4naryc4naryc4nary"
    with http_receiver() as inbox:
        url = inbox.url.replace("/hook", f"/services/{hidden}")
    caplog.handler.addFilter(RedactingFilter())
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertError) as caught:
        SlackChannel(address(url)).send(message())
    shown = f"{caught.value}{caught.value!r}{caught.value.__cause__}{address(url)!r}{caplog.text}"
    assert hidden not in shown
    assert hidden not in redact(f"POST {url} failed")


def test_proxies_of_the_environment_are_not_used(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    WebhookChannel(address(inbox.url)).send(message(mood=Mood.TEST))
    assert len(inbox.posts) == 1


def test_https_checks_the_certificate(certificates: Certificates) -> None:
    with http_receiver(certificates.server) as inbox:
        WebhookChannel(address(inbox.url, tls=certificates.trusting)).send(message())
        assert len(inbox.posts) == 1
        with pytest.raises(ChannelRejected, match="certificate"):
            WebhookChannel(address(inbox.url)).send(message())
        assert len(inbox.posts) == 1


def test_a_probe_connects_and_tells_nothing(inbox: Inbox) -> None:
    WebhookChannel(address(inbox.url)).probe()
    SlackChannel(address(inbox.url)).probe()
    with http_receiver() as gone:
        url = gone.url
    with pytest.raises(ChannelUnavailable, match="cannot be reached"):
        SlackChannel(address(url)).probe()
    assert inbox.posts == []
