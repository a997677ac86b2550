"""The end of the demo, for people: what happened, what it cost, where to look next."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.text import Text

from ledgerguard_pipeline.cli.commands.status import COLOURS
from ledgerguard_pipeline.cli.output import console, own_command, printable, say, table
from ledgerguard_pipeline.plural import counted

if TYPE_CHECKING:
    from ledgerguard_pipeline.cli.local.demo_story import Story
    from ledgerguard_pipeline.ingestion.results import SyncResult

_NUMBERS = frozenset({"rows in Bronze", "first load", "then changed"})

_MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"
"""Beside the package in a checkout; a wheel brings none."""


def show(story: Story) -> None:
    """Print the summary on stdout."""
    say()
    _entities(story)
    _facts(story)
    _problems(story)
    _next_steps(story)


def _entities(story: Story) -> None:
    first = {each.entity: each.written for each in story.first.results}
    second = {each.entity: each.written + each.deleted for each in story.second.results}
    held = {} if story.company_status is None else dict(story.company_status.entity_counts or {})
    names = sorted(held, key=lambda name: (-held[name], name))
    rows = [(name, held[name], first.get(name, 0), second.get(name) or None) for name in names]
    console().print(table(("entity", *sorted(_NUMBERS, key=_order)), rows, numeric=_NUMBERS))


def _order(column: str) -> int:
    return ("rows in Bronze", "first load", "then changed").index(column)


def _facts(story: Story) -> None:
    company = story.company
    compared = story.comparison
    text = Text()
    if company is not None:
        text.append(printable(company.name), style="bold")
        text.append(f"   realm {company.realm_id}\n\n")
    text.append(f"First load    {_cost(story.first)}\n")
    text.append(f"Changes       {_cost(story.second)}\n")
    for line in textwrap.wrap(", ".join(story.edits), 64):
        text.append(f"              {line}\n")
    text.append("Bronze        ")
    if compared.equal:
        text.append(f"equals QuickBooks: {compared.objects:,} objects, byte for byte\n", "green")
    else:
        text.append(
            f"{compared.identical:,} of {compared.objects:,} objects equal QuickBooks, "
            f"{compared.only_in_bronze:,} too many\n",
            "red",
        )
    if story.company_status is not None:
        state = story.company_status.health.state.value
        text.append("Health        ")
        text.append(state, style=COLOURS[state])
        for reason in story.company_status.health.texts:
            text.append(f"\n              {printable(reason)}")
    console().print(Panel(text, title="LedgerGuard demo", expand=False, padding=(1, 2)))


def _cost(result: SyncResult) -> str:
    seconds = result.duration_seconds
    versions = sum(each.written + each.deleted for each in result.results)
    fetched = sum(each.fetched for each in result.results)
    pace = f", {fetched / seconds:,.0f} rows/s" if seconds > 0 and fetched >= 100 else ""
    return (
        f"{counted(versions, 'version')} written, {counted(result.api_calls, 'API call')}, "
        f"{seconds:.1f} s{pace}"
    )


def _problems(story: Story) -> None:
    for result in (story.first, story.second):
        for error in result.errors:
            say(f"FAILED: {error}")
        for each in result.results:
            if each.status == "failed":
                say(f"FAILED: {each.entity}: {each.error}")


def _next_steps(story: Story) -> None:
    home = story.settings.ledgerguard_home
    own = own_command()
    up = "make up" if _MAKEFILE.exists() else f"{own} up"
    say()
    say("Where to go next")
    say(f"  {up:<15} everything together; then http://localhost:8000 shows the companies,")
    say("                  http://localhost:3000 Dagster")
    say("                  -> Assets -> qbo / bronze / invoice -> Materialize")
    say("  Ask the books   " + question(str(home)))
    say(f"  Your own books  cp .env.example .env, fill in your Intuit keys, `{own} doctor`")


def question(home: str) -> str:
    """A command that shows something in the demo's Bronze."""
    return (
        f"LEDGERGUARD_HOME={home} {own_command()} sql "
        '"SELECT state, count(*) FROM bronze.invoice GROUP BY state"'
    )
