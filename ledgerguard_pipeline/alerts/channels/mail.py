"""Alerts by e-mail (RFC 5321), never over an unencrypted link but to loopback.

Decision 24 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.message import Message, plain
from ledgerguard_pipeline.alerts.channels.timebox import READ_SECONDS, TOTAL_SECONDS, timebox
from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.errors import ChannelRejected, ChannelUnavailable, ConfigurationError
from ledgerguard_pipeline.observability.redaction import register_secret

_PORTS = {"smtp": 587, "smtps": 465}
_LONGEST_SUBJECT = 200
_VARIABLE = "LEDGERGUARD_SMTP_URL"


@dataclass(frozen=True, slots=True)
class MailServer:
    """``smtp://`` asks for STARTTLS (RFC 3207), ``smtps://`` is encrypted from the start."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None
    password: SecretStr | None
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context, repr=False)
    total_seconds: float = TOTAL_SECONDS

    @classmethod
    def of(cls, url: SecretStr) -> MailServer:
        """Read ``LEDGERGUARD_SMTP_URL``.

        Raises:
            ConfigurationError: it is no such URL.
        """
        try:
            parts = urlsplit(url.get_secret_value())
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(f"{_VARIABLE} must look like smtp://user:password@host:587.")
        password = None if parts.password is None else SecretStr(unquote(parts.password))
        register_secret(url.get_secret_value(), lasting=True)
        if password is not None:
            register_secret(password.get_secret_value(), lasting=True)
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            parts.scheme == "smtps",
            None if parts.username is None else unquote(parts.username),
            password,
        )

    @contextmanager
    def session(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted and signed in, cut off after the total time.

        Raises:
            ChannelUnavailable: it cannot be reached, or asks to come again later (4xx).
            ChannelRejected: it offers no encryption, or refuses the sign-in or the mail.
        """
        client = (
            smtplib.SMTP_SSL(timeout=READ_SECONDS, context=self.tls())
            if self.implicit_tls
            else smtplib.SMTP(timeout=READ_SECONDS)
        )
        # The library takes the name to check the certificate against from here.
        client._host = self.host  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            with timebox(lambda: client.sock, self.total_seconds):
                self._greet(client)
                yield client
                # Accepted mail stays accepted, even if QUIT fails.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    client.quit()
        except (smtplib.SMTPException, OSError) as error:
            raise _typed(error) from None
        finally:
            client.close()

    def _greet(self, client: smtplib.SMTP) -> None:
        code, _ = client.connect(self.host, self.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, "")
        client.ehlo_or_helo_if_needed()
        if not self.implicit_tls:
            if client.has_extn("starttls"):
                client.starttls(context=self.tls())
                client.ehlo()
            elif not is_loopback(self.host):
                raise ChannelRejected(
                    f"The mail server of {_VARIABLE} offers no STARTTLS, so mail would travel "
                    "unencrypted. Use smtps://, or another server."
                )
        if self.user is not None and self.password is not None:
            client.login(self.user, self.password.get_secret_value())


class MailChannel:
    """Sends a message to all recipients at once."""

    name = "email"

    def __init__(self, server: MailServer, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)

    def send(self, message: Message) -> str | None:
        """Deliver it.

        A refused recipient among others is a remark, not an error: the others have the mail and
        must not get it again.

        Raises:
            ChannelUnavailable, ChannelRejected: it was not taken.
        """
        mail = self._mail(message)
        with self._server.session() as client:
            refused = client.send_message(mail, self._sender, list(self._recipients))
        if not refused:
            return None
        return (
            f"The mail server refuses {len(refused)} of {len(self._recipients)} recipients. "
            "Correct LEDGERGUARD_ALERT_EMAIL_TO."
        )

    def probe(self) -> None:
        """Connect, encrypt, sign in and hang up; no mail is sent.

        Raises:
            ChannelUnavailable, ChannelRejected: it does not work.
        """
        with self._server.session() as client:
            client.noop()

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        try:
            mail["From"] = self._sender
            mail["To"] = ", ".join(self._recipients)
            mail["Subject"] = plain(f"[LedgerGuard] {message.title}", _LONGEST_SUBJECT)
            mail["Date"] = format_datetime(message.at)
            domain = self._sender.rpartition("@")[2].strip("> ")
            mail["Message-ID"] = f"<{message.id}@{domain}>"
        except (MessageError, ValueError, IndexError):
            raise ChannelRejected(
                "LEDGERGUARD_ALERT_EMAIL_FROM or LEDGERGUARD_ALERT_EMAIL_TO is not a mail "
                "address. Write them like alerts@example.com."
            ) from None
        # RFC 3834: keeps holiday notes from answering.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"{message.title}\n\n{message.text()}\n")
        return mail


def _typed(error: smtplib.SMTPException | OSError) -> ChannelRejected | ChannelUnavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ChannelRejected(
            f"The mail server's certificate is not valid for it ({error.verify_message}). "
            f"Renew it, or correct {_VARIABLE}."
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ChannelRejected(
            f"The mail server refuses user or password ({error.smtp_code}). Correct {_VARIABLE}; "
            "special characters in it have to be percent-encoded."
        )
    code = _code(error)
    if code is not None and code >= 500:
        return ChannelRejected(
            f"The mail server refuses the mail ({code}). Check LEDGERGUARD_ALERT_EMAIL_FROM and "
            "LEDGERGUARD_ALERT_EMAIL_TO."
        )
    sent = type(error).__name__ if code is None else str(code)
    return ChannelUnavailable(
        f"The mail server of {_VARIABLE} gave no usable answer ({sent}); it will be tried again."
    )


def _code(error: smtplib.SMTPException | OSError) -> int | None:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [answer[0] for answer in error.recipients.values()]
        return min(codes, default=None)
    return None
