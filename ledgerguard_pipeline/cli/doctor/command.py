"""``ledgerguard doctor``: what is set, what works, and the next step where something does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ledgerguard_pipeline.cli.doctor.finding import (
    CheckResult,
    CheckState,
    advice,
    exit_code,
    good,
    misconfigured,
)
from ledgerguard_pipeline.cli.doctor.masked_settings import masked_settings
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, say, table, write_json
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

_SYMBOLS = {
    CheckState.GOOD: "ok  ",
    CheckState.ADVICE: "note",
    CheckState.BROKEN: "FAIL",
    CheckState.MISCONFIGURED: "FAIL",
}


def doctor(as_json: Json = False) -> None:
    """Check settings, keys, network, clock, files and companies; changes nothing."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings: Settings | None = None
    try:
        settings = settings_here()
    except ConfigurationError as error:
        findings = [misconfigured("settings", error.message, "Correct the variables named.")]
    else:
        findings = _examine(settings)
    code = exit_code(findings)
    if as_json:
        write_json(
            {
                "ok": code == 0,
                "settings": {} if settings is None else masked_settings(settings),
                "findings": [finding.to_json() for finding in findings],
            }
        )
    else:
        _show(settings, findings)
    if code:
        raise typer.Exit(code)


def _examine(settings: Settings) -> list[CheckResult]:
    from ledgerguard_pipeline.cli.doctor.alert_channels import alerts
    from ledgerguard_pipeline.cli.doctor.companies import companies
    from ledgerguard_pipeline.cli.doctor.dagster_daemon import dagster
    from ledgerguard_pipeline.cli.doctor.intuit import intuit_findings
    from ledgerguard_pipeline.cli.doctor.local import local_findings
    from ledgerguard_pipeline.cli.doctor.restored import restored_copies
    from ledgerguard_pipeline.cli.doctor.schema import control_plane, is_current
    from ledgerguard_pipeline.cli.doctor.servers import server_findings
    from ledgerguard_pipeline.cli.doctor.web_edge import admin_token, web_port, webhooks
    from ledgerguard_pipeline.config.unknown_variables import unknown_variables

    schema = control_plane(settings)
    return [
        good("settings", f"valid, for the {settings.intuit_env} environment"),
        *(
            advice("settings", str(each), "Correct its name, or take it away.")
            for each in unknown_variables()
        ),
        *intuit_findings(settings, SYSTEM_CLOCK),
        *server_findings(settings),
        schema,
        *local_findings(settings),
        *(restored_copies(settings) if is_current(schema) else ()),
        web_port(settings),
        admin_token(settings),
        webhooks(settings),
        *alerts(settings),
        *dagster(settings),
        *(companies(settings) if is_current(schema) else ()),
    ]


def _show(settings: Settings | None, findings: list[CheckResult]) -> None:
    if settings is not None:
        shown = (
            (name, ", ".join(value) if isinstance(value, list) else value)
            for name, value in masked_settings(settings).items()
        )
        console().print(table(("variable", "value"), shown, title="Settings"))
        say()
    for finding in findings:
        say(f"{_SYMBOLS[finding.state]}  {finding.topic}: {finding.text}")
        if finding.next_step is not None:
            say(f"      -> {finding.next_step}")
    say()
    wrong = sum(_SYMBOLS[finding.state] == "FAIL" for finding in findings)
    say(
        "Everything needed is in place."
        if wrong == 0
        else f"{wrong} thing{'s' if wrong > 1 else ''} to repair, shown as FAIL above."
    )
