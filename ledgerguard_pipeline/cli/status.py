"""``ledgerguard status``: how every company stands, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, moment, printable, say, table, write_json
from ledgerguard_pipeline.cli.presence import installed, nothing_connected

if TYPE_CHECKING:
    from ledgerguard_pipeline.cli.standing import Standing

_COLOURS = {"healthy": "bold green", "degraded": "bold yellow", "unhealthy": "bold red"}


def status(as_json: Json = False) -> None:
    """Show health, last sync, rows, token life and API calls of every company."""
    from ledgerguard_pipeline.settings import load_settings

    settings = load_settings()
    found: list[Standing] = []
    if installed(settings):
        from ledgerguard_pipeline.cli.standing import standings

        found = standings(settings)
    if as_json:
        write_json({"companies": [standing.to_json() for standing in found]})
    elif not found:
        say(nothing_connected())
    else:
        for standing in found:
            show(standing, settings.ledgerguard_monthly_call_budget)


def show(standing: Standing, budget: int) -> None:
    """Print one company for people."""
    from rich.text import Text

    company, health = standing.company, standing.health
    state = health.state.value
    heading = Text.assemble((printable(company.name), "bold"), f"  {company.realm_id}  ")
    heading.append(state, style=_COLOURS[state])
    console().print(heading)
    for text in health.texts:
        say(f"  - {text}")
    life = moment(standing.refresh_token_expiry)
    speed = company.response_time_ms
    say(f"  last sync      {moment(standing.last_sync_time)}")
    say(f"  access token   until {moment(standing.access_token_expiry)}")
    say(f"  refresh token  until {life}")
    say(f"  last answer    {'-' if speed is None else f'{speed:,.0f} ms'}")
    say(f"  metered calls  {standing.api_calls_this_month:,} of {budget:,} this month")
    depth, age = standing.webhook_queue_depth, standing.webhook_queue_age_seconds
    waiting = f", the oldest for {age:,.0f} s" if depth else ""
    say(f"  webhooks       {depth:,} events waiting{waiting}")
    counts = standing.entity_counts
    if counts is None:
        say("  rows           a load is being written; ask again in a moment")
        return
    rows = [(name, count) for name, count in counts.items() if count]
    say(f"  rows           {sum(counts.values()):,} in {len(rows)} entity types")
    if rows:
        console().print(table(("entity", "rows"), rows, numeric=frozenset({"rows"})))
