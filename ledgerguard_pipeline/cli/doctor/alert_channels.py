"""The checks of ``ledgerguard doctor`` on the channels that alerts go out by."""

from __future__ import annotations

from ledgerguard_pipeline.cli.commands.alerts import HOW_TO_SET
from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good, misconfigured
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import ChannelRejected, LedgerGuardError


def alerts(settings: Settings) -> list[CheckResult]:
    """Each channel is connected to (mail: signed in); nothing is sent."""
    from ledgerguard_pipeline.alerts.channels.configured import configured_channels

    topic = "alerts"
    try:
        channels = configured_channels(settings)
    except LedgerGuardError as error:
        return [misconfigured(topic, error.message, "Correct it in .env.")]
    if not channels:
        return [
            advice(
                topic,
                "no channel is configured: nobody is notified when something goes wrong.",
                HOW_TO_SET,
            )
        ]
    found = []
    for channel in channels:
        about = f"{topic}: {channel.name}"
        try:
            channel.probe()
        except ChannelRejected as error:
            found.append(misconfigured(about, error.message, "Then run `ledgerguard alerts test`."))
        except LedgerGuardError as error:
            found.append(broken(about, error.message, "Then run `ledgerguard alerts test`."))
        else:
            found.append(good(about, "can be reached; `ledgerguard alerts test` sends a message."))
    return [*found, *_alert_advice(settings)]


def _alert_advice(settings: Settings) -> list[CheckResult]:
    found = []
    webhook = settings.ledgerguard_alert_webhook_url
    if webhook is not None and settings.ledgerguard_alert_webhook_secret is None:
        found.append(
            advice(
                "alerts: webhook",
                "its messages are not signed, so its receiver cannot tell who sent them.",
                "Set LEDGERGUARD_ALERT_WEBHOOK_SECRET, and check the signature there.",
            )
        )
    if settings.ledgerguard_dagster_url is None:
        found.append(
            advice(
                "alerts: links",
                "messages about failed runs have no link to the run.",
                "Set LEDGERGUARD_DAGSTER_URL to where people open Dagster.",
            )
        )
    return found
