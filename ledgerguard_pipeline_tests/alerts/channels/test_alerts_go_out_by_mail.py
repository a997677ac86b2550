from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.mail import MailChannel, MailServer
from ledgerguard_pipeline.errors import AlertError, ChannelRejected, ChannelUnavailable
from ledgerguard_pipeline_tests.alerts.channels.certificates import Certificates
from ledgerguard_pipeline_tests.alerts.channels.mail_receiver import MailBox, mail_server
from ledgerguard_pipeline_tests.alerts.channels.messages import REALM, dead, message

PASSWORD = "s3cret p@ss:w/rd"
SIGN_IN = "alerts%40example.com:s3cret%20p%40ss%3Aw%2Frd@"


def channel(
    box: MailBox, *, scheme: str = "smtp", sign_in: str = "", to: tuple[str, ...] = ("a@example.com",),
    **changes: object,
) -> MailChannel:  # fmt: skip
    server = MailServer.of(SecretStr(f"{scheme}://{sign_in}127.0.0.1:{box.port}"))
    return MailChannel(replace(server, **changes), "alerts@example.com", to)  # type: ignore[arg-type]  # by name


def test_a_mail_says_what_happened_to_whom() -> None:
    with mail_server() as box:
        channel(box, to=("a@example.com", "b@example.com")).send(message(dead("Café “Zürich”")))

    (mail,) = box.mails
    assert box.envelopes[0][1] == ["a@example.com", "b@example.com"]
    assert mail["Subject"] == f"[LedgerGuard] Café “Zürich” (company {REALM}) is unhealthy"
    assert mail["From"] == "alerts@example.com"
    assert mail["To"] == "a@example.com, b@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{message().id}@example.com>"
    text = mail.get_content()
    assert "Intuit no longer accepts its grant." in text
    assert f"Company page: https://books.example.com/#company-{REALM}" in text


def test_a_company_name_cannot_add_headers() -> None:
    with mail_server() as box:
        channel(box).send(message(dead("Evil\r\nBcc: victim@example.com\r\n\r\nbody")))

    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert box.envelopes[0][1] == ["a@example.com"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_it_signs_in_over_an_encrypted_link(scheme: str, certificates: Certificates) -> None:
    with mail_server(certificates.server, implicit=scheme == "smtps") as box:
        box.user, box.password = "alerts@example.com", PASSWORD
        channel(box, scheme=scheme, sign_in=SIGN_IN, tls=certificates.trusting).send(message())

    assert box.encrypted == [True]
    assert box.sign_ins == 1


def test_a_certificate_nobody_vouches_for_is_refused(certificates: Certificates) -> None:
    with mail_server(certificates.server) as box:
        box.user, box.password = "alerts@example.com", PASSWORD
        with pytest.raises(ChannelRejected, match="certificate"):
            channel(box, sign_in=SIGN_IN).send(message())
    assert (box.mails, box.sign_ins) == ([], 0)


def test_beyond_loopback_nothing_is_said_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    from ledgerguard_pipeline.alerts.channels import mail

    with mail_server() as box:
        box.user, box.password = "alerts@example.com", PASSWORD
        monkeypatch.setattr(mail, "is_loopback", lambda _host: False)
        with pytest.raises(ChannelRejected, match="STARTTLS"):
            channel(box, sign_in=SIGN_IN).send(message())
    assert (box.mails, box.sign_ins) == ([], 0)


def test_a_wrong_password_is_reported_without_showing_it() -> None:
    with mail_server() as box:
        box.user, box.password = "alerts@example.com", "another"
        with pytest.raises(ChannelRejected, match="user or password") as caught:
            channel(box, sign_in=SIGN_IN).probe()
    for shown in (PASSWORD, "s3cret"):
        assert shown not in f"{caught.value}{caught.value!r}"


def test_one_refused_recipient_does_not_repeat_the_mail_to_the_others() -> None:
    with mail_server() as box:
        box.refused = {"b@example.com": 550}
        remark = channel(box, to=("a@example.com", "b@example.com")).send(message())
    assert "1 of 2 recipients" in (remark or "")
    assert len(box.mails) == 1


@pytest.mark.parametrize("code,kind", [(450, ChannelUnavailable), (550, ChannelRejected)])
def test_a_refused_mail_is_temporary_or_not(code: int, kind: type[AlertError]) -> None:
    with mail_server() as box:
        box.refused = {"a@example.com": code}
        with pytest.raises(kind, match=str(code)):
            channel(box).send(message())


def _refuse(box: MailBox) -> None:
    box.greeting = "421 too busy"


def _hang(box: MailBox) -> None:
    box.silent = True


@pytest.mark.parametrize("trouble", [_refuse, _hang])
def test_a_server_that_does_not_answer_is_tried_again(trouble: Callable[[MailBox], None]) -> None:
    with mail_server() as box:
        trouble(box)
        with pytest.raises(ChannelUnavailable):
            channel(box, total_seconds=0.3).send(message())
    with pytest.raises(ChannelUnavailable):
        channel(box).send(message())


def test_a_probe_signs_in_and_sends_nothing() -> None:
    with mail_server() as box:
        box.user, box.password = "alerts@example.com", PASSWORD
        channel(box, sign_in=SIGN_IN).probe()
    assert (box.sign_ins, box.mails) == (1, [])


def test_a_sender_that_is_no_address_is_a_sentence() -> None:
    with mail_server() as box:
        server = MailServer.of(SecretStr(f"smtp://127.0.0.1:{box.port}"))
        with pytest.raises(ChannelRejected, match="LEDGERGUARD_ALERT_EMAIL_FROM"):
            MailChannel(server, "no\naddress", ("a@example.com",)).send(message())
    assert box.mails == []
