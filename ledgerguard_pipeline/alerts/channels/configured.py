"""The channels an installation has configured."""

from __future__ import annotations

from typing import Protocol

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.mail import MailChannel, MailServer
from ledgerguard_pipeline.alerts.channels.message import Message
from ledgerguard_pipeline.alerts.channels.slack import SlackChannel
from ledgerguard_pipeline.alerts.channels.webhook import WebhookChannel
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings


class Channel(Protocol):
    """One alert channel; ``name`` is stable, because sent alerts are remembered by it."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> str | None:
        """Deliver a message; returns a problem that did not prevent it, if any.

        Raises:
            ChannelUnavailable, ChannelRejected: it was not taken; it may be sent again.
        """
        ...

    def probe(self) -> None:
        """Find out whether sending would work, without sending.

        Raises:
            ChannelUnavailable, ChannelRejected: it would not.
        """
        ...


def configured_channels(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> tuple[Channel, ...]:
    """The channels these settings name; none is an ordinary answer.

    Raises:
        ConfigurationError: a channel's settings are not usable.
    """
    found: list[Channel] = []
    if settings.ledgerguard_alert_webhook_url is not None:
        address = Address(settings.ledgerguard_alert_webhook_url, "LEDGERGUARD_ALERT_WEBHOOK_URL")
        secret = settings.ledgerguard_alert_webhook_secret
        found.append(WebhookChannel(address, secret, clock=clock))
    if settings.ledgerguard_alert_slack_url is not None:
        address = Address(settings.ledgerguard_alert_slack_url, "LEDGERGUARD_ALERT_SLACK_URL")
        found.append(SlackChannel(address))
    if settings.ledgerguard_smtp_url is not None:
        server = MailServer.of(settings.ledgerguard_smtp_url)
        sender = settings.ledgerguard_alert_email_from or ""
        found.append(MailChannel(server, sender, settings.ledgerguard_alert_email_to or ()))
    return tuple(found)
