"""``ledgerguard alerts``: try the channels out, and see what was sent to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.installed import installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, say, table, write_json
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.errors import AlertError, ConfigurationError

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.alert_state import SentAlerts

app = typer.Typer(
    help="Send a test message to every alert channel, or see what was sent to each channel.",
    cls=Commands,
    **LOOK,
)

HOW_TO_SET = "Set LEDGERGUARD_ALERT_WEBHOOK_URL, LEDGERGUARD_ALERT_SLACK_URL or LEDGERGUARD_SMTP_URL in .env."


@app.command("test")
def try_out(as_json: Json = False) -> None:
    """Send a test message to each configured channel and report the result."""
    from ledgerguard_pipeline.alerts.channels.configured import configured_channels
    from ledgerguard_pipeline.alerts.messages import trial_message
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    channels = configured_channels(settings)
    if not channels:
        raise ConfigurationError(f"No alert channel is configured. {HOW_TO_SET}")
    outcomes: list[tuple[str, bool, str]] = []
    for channel in channels:
        message = trial_message(channel.name, settings.intuit_env.value, SYSTEM_CLOCK.now())
        try:
            remark = channel.send(message)
        except AlertError as error:
            outcomes.append((channel.name, False, error.message))
        else:
            outcomes.append((channel.name, True, remark or "The message was taken."))
    if as_json:
        write_json(
            {
                "channels": [
                    {"channel": name, "sent": sent, "text": text} for name, sent, text in outcomes
                ]
            }
        )
    else:
        for name, sent, text in outcomes:
            say(f"{'ok  ' if sent else 'FAIL'}  {name}: {text}")
    if not all(sent for _, sent, _ in outcomes):
        raise typer.Exit(1)


@app.command("list")
def list_sent(as_json: Json = False) -> None:
    """List what each channel was last sent, by company, and which messages are still waiting."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    found = _sent(settings_here())
    if as_json:
        write_json({"told": [_json(each) for each in found]})
        return
    if not found:
        say("Nothing was sent to any channel yet.")
        return
    console().print(
        table(
            ("channel", "company", "knows of", "sent", "failed tries", "last failure"),
            (
                (
                    each.channel,
                    each.realm_id or "this installation",
                    ", ".join(_slots(each)) or "nothing wrong",
                    each.sent_at,
                    each.attempts,
                    each.last_error,
                )
                for each in found
            ),
            numeric=frozenset({"failed tries"}),
        )
    )


def _sent(settings: Settings) -> list[SentAlerts]:
    if not installed(settings):
        return []
    from ledgerguard_pipeline.control.plane import ControlPlane

    with ControlPlane.open(settings) as control:
        return sorted(control.alerts.sent(), key=lambda each: (each.channel, each.realm_id))


def _json(sent: SentAlerts) -> dict[str, object]:
    return {
        "channel": sent.channel,
        "realm_id": sent.realm_id or None,
        "knows_of": _slots(sent),
        "told_at": sent.sent_at,
        "failed_attempts": sent.attempts,
        "last_error": sent.last_error,
    }


def _slots(sent: SentAlerts) -> list[str]:
    from ledgerguard_pipeline.alerts.stored_state import read_sent

    return sorted(read_sent(sent.sent))
