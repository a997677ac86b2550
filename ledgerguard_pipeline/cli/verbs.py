"""The verbs of ``ledgerguard``: where each is, and what the list of all says of it."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """``function`` of ``module``; ``app`` is a group with verbs of its own.

    ``help`` is the first paragraph of the verb's own help, so that the list of all needs none of
    their modules (tested). One that hands its options on has their context settings in
    ``PASS_THROUGH``.
    """

    module: str
    function: str
    help: str


VERBS = {
    "doctor": Verb(
        "doctor.command",
        "doctor",
        "Check settings, keys, network, clock, files and companies; changes nothing.",
    ),
    "connect": Verb(
        "commands.connect",
        "connect",
        "Connect a QuickBooks company: print the consent link, then wait for the answer.",
    ),
    "disconnect": Verb(
        "commands.companies",
        "disconnect",
        "Revoke a company's grant at Intuit, then forget its tokens; its books stay in Bronze.",
    ),
    "companies": Verb(
        "commands.companies",
        "app",
        "List the companies of this installation; forget one.",
    ),
    "sync": Verb(
        "commands.sync",
        "sync",
        "Load what is new or changed in QuickBooks into Bronze.",
    ),
    "status": Verb(
        "commands.status",
        "status",
        "Show health, last sync, rows, token life and calls of every company; exits 1 if one is "
        "unhealthy.",
    ),
    "events": Verb(
        "commands.events",
        "app",
        "List webhook events, queue them again, or take them out of the queue.",
    ),
    "alerts": Verb(
        "commands.alerts",
        "app",
        "Send a test message to every alert channel, or see what was sent to each channel.",
    ),
    "keys": Verb(
        "commands.keys",
        "app",
        "List the keys that protect the stored tokens, rotate them, or move the tokens.",
    ),
    "report": Verb(
        "commands.report",
        "report",
        "Ask Intuit for a report, keep the answer in Bronze, and print or export it.",
    ),
    "tieout": Verb(
        "commands.tieout",
        "tieout",
        "Compare the books with Intuit's own reports, to the last digit; exits 1 unless they agree.",
    ),
    "sql": Verb(
        "commands.sql",
        "sql",
        'Ask Bronze or Silver one read-only question, e.g. "FROM silver.ar_open".',
    ),
    "tables": Verb(
        "commands.tables",
        "tables",
        "List the tables and views that `ledgerguard sql` can ask, or describe one of them.",
    ),
    "entities": Verb(
        "commands.tables",
        "entities",
        "List the entity types of QuickBooks: how each is read, and whether this installation keeps "
        "it.",
    ),
    "snapshot": Verb(
        "commands.sql",
        "snapshot",
        "Write a consistent copy of Bronze and Silver for notebooks, which may then keep it open.",
    ),
    "backup": Verb(
        "stores.backup",
        "backup",
        "Copy control plane, keys and Bronze into a new folder, from which a home can be restored.",
    ),
    "dbt-sources": Verb(
        "commands.tables",
        "dbt_sources",
        "Write Bronze and Silver as dbt sources, with descriptions, tests and freshness.",
    ),
    "attachments": Verb(
        "stores.attachments",
        "app",
        "List files attached in QuickBooks, find one, download those that are missing.",
    ),
    "bronze": Verb(
        "stores.bronze",
        "app",
        "Check Bronze, maintain it by hand, or move it into a DuckLake.",
    ),
    "silver": Verb(
        "stores.silver",
        "app",
        "Check the typed tables of Silver, or build them anew from Bronze.",
    ),
    "web": Verb(
        "commands.web",
        "web",
        "Serve the company page, the OAuth callback, webhooks, metrics and probes until Ctrl-C.",
    ),
    "up": Verb(
        "local.up",
        "up",
        "Run the web server and Dagster (and the sandbox, if no credentials are set) until Ctrl-C.",
    ),
    "demo": Verb(
        "local.demo",
        "demo",
        "Connect a made-up company, load it through Dagster, change its books, sync again.",
    ),
    "bench": Verb(
        "commands.bench",
        "bench",
        "Measure this project and its rivals against the sandbox; needs a checkout.",
    ),
    "sandbox": Verb(
        "local.sandbox",
        "sandbox",
        "Serve a made-up QuickBooks company, edit its books, or let it misbehave.",
    ),
}
"""In the order of the help."""
