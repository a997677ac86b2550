"""``ledgerguard status``: the status of every company, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ledgerguard_pipeline.cli.installed import installed, nothing_connected
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, moment, printable, say, table, write_json
from ledgerguard_pipeline.health.reasons import HealthState
from ledgerguard_pipeline.plural import counted

if TYPE_CHECKING:
    from rich.table import Table

    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.health.company_status import CompanyStatus
    from ledgerguard_pipeline.health.entity_status import EntityStatus

COLOURS = {
    "healthy": "bold green",
    "loading": "bold cyan",
    "disconnected": "bold bright_black",
    "degraded": "bold yellow",
    "unhealthy": "bold red",
}


def status(as_json: Json = False) -> None:
    """Show health, last sync, rows, token life and calls of every company; exits 1 if one is unhealthy."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    found = statuses(settings) if installed(settings) else []
    if as_json:
        write_json({"companies": [company_status.to_json() for company_status in found]})
    elif not found:
        say(nothing_connected(settings))
    else:
        for company_status in found:
            show(company_status)
    if any(each.health.state is HealthState.UNHEALTHY for each in found):
        raise typer.Exit(1)


def statuses(settings: Settings) -> list[CompanyStatus]:
    """Every company of this environment; no network, no Bronze.

    Raises:
        KeyUnavailable: the key ring is damaged.
    """
    from ledgerguard_pipeline.control.plane import ControlPlane
    from ledgerguard_pipeline.health.company_status import read_statuses

    with ControlPlane.open(settings) as control:
        return read_statuses(control, settings)


def show(company_status: CompanyStatus) -> None:
    """Print one company for people."""
    from rich.text import Text

    from ledgerguard_pipeline.health.books import books_line

    company, health, life = company_status.company, company_status.health, company_status.life
    facts, calls = company_status.facts, company_status.calls
    state = health.state.value
    heading = Text.assemble((printable(company.name), "bold"), f"  {company.realm_id}  ")
    heading.append(state, style=COLOURS[state])
    console().print(heading)
    for reason in health.reasons:
        say(f"  - {reason.text} See {reason.kind.runbook}.")
    speed = company.response_time_ms
    say(f"  last sync      {moment(facts.last_sync_at)}")
    if life is not None:
        say(f"  access token   until {moment(life.access_expires_at)}")
        say(f"  refresh token  until {moment(life.refresh_expires_at)}")
    say(f"  last answer    {'-' if speed is None else f'{speed:,.0f} ms'}")
    say(
        f"  metered calls  {calls.month_to_date:,} this month, {calls.forecast:,} expected; all "
        f"companies {calls.all_companies:,} of {calls.budget or 0:,}, {calls.all_forecast:,} "
        "expected"
    )
    say(f"  books          {books_line(facts.books)}")
    depth, age = facts.webhook_depth, facts.webhook_age_seconds
    waiting = f", the oldest for {age:,.0f} s" if depth else ""
    say(f"  webhooks       {counted(depth, 'event')} waiting{waiting}")
    shown = [each for each in company_status.entities if each.rows or each.error]
    say(
        f"  rows           {company_status.rows:,} in {sum(each.rows > 0 for each in shown)} of "
        f"{counted(len(company_status.entity_counts), 'entity type')}"
    )
    if shown:
        console().print(_entities(shown))


def _entities(shown: list[EntityStatus]) -> Table:
    rows: list[tuple[object, ...]] = [(each.entity, each.rows, each.last_sync_at) for each in shown]
    columns = ["entity", "rows", "last sync"]
    if any(each.error for each in shown):
        columns.append("")
        rows = [
            (*row, "failed since" if each.error else "")
            for row, each in zip(rows, shown, strict=True)
        ]
    return table(columns, rows, numeric=frozenset({"rows"}))
