"""``ledgerguard sandbox``: the embedded QuickBooks company, over real HTTP."""

from __future__ import annotations

from pathlib import Path

import typer

from ledgerguard_pipeline.cli.local.child_processes import python

MODULE = "ledgerguard_pipeline.sandbox"

WEBHOOK_TOKEN_VARIABLE = "SANDBOX_WEBHOOK_TOKEN"  # noqa: S105  # the name of a variable
"""What signs its webhooks; in no command line, since any user of the machine can read those."""

PASS_THROUGH = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The sandbox reads its own options, ``--help`` included."""


def sandbox(context: typer.Context) -> None:
    """Serve a made-up QuickBooks company, or edit its books: sandbox serve, sandbox edit."""
    from ledgerguard_pipeline.sandbox.__main__ import app

    code = app(context.args, prog_name="ledgerguard sandbox", standalone_mode=False)
    if isinstance(code, int) and code:
        raise typer.Exit(code)


def serve_command(port: int, *, invoices: int, webhook_url: str, books: Path) -> list[str]:
    """The command line of a sandbox process that sends its webhooks to ``webhook_url``.

    It keeps its ``books`` in a file.
    """
    return python(
        *("-m", MODULE, "serve", "--port", str(port), "--invoices", str(invoices)),
        *("--webhook-url", webhook_url, "--books", str(books)),
    )
