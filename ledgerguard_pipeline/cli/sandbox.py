"""``ledgerguard sandbox``: the embedded QuickBooks company, over real HTTP."""

from __future__ import annotations

import typer

from ledgerguard_pipeline.cli.children import python

MODULE = "ledgerguard_pipeline.sandbox"

PASS_THROUGH = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The sandbox reads its own options, ``--help`` included."""


def sandbox(context: typer.Context) -> None:
    """Serve a made-up QuickBooks company: sandbox serve [--port --invoices --seed ...]."""
    from ledgerguard_pipeline.sandbox.__main__ import app

    app(context.args, prog_name="ledgerguard sandbox", standalone_mode=False)


def serve_command(port: int, *, invoices: int) -> list[str]:
    """The command line of a sandbox process."""
    return python("-m", MODULE, "serve", "--port", str(port), "--invoices", str(invoices))
