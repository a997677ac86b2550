"""``ledgerguard sandbox``: the embedded QuickBooks company, over real HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledgerguard_pipeline.cli.local.child_processes import python

MODULE = "ledgerguard_pipeline.sandbox"
_OF_A_RUNNING_ONE = ("edit", "fault")

WEBHOOK_TOKEN_VARIABLE = "SANDBOX_WEBHOOK_TOKEN"  # noqa: S105  # the name of a variable
"""What signs its webhooks; in no command line, since any user of the machine can read those."""

PASS_THROUGH = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The sandbox reads its own options, ``--help`` included."""


def _completed(context: typer.Context, incomplete: str) -> list[str]:
    """What may follow the words typed so far, for the shell; the sandbox reads them itself."""
    from ledgerguard_pipeline.entities import ENTITIES
    from ledgerguard_pipeline.sandbox.edits.edits import KINDS
    from ledgerguard_pipeline.sandbox.serve.fault_command import SCENES

    words = [each for each in context.params.get("words") or () if not each.startswith("-")]
    entities = [each.name for each in ENTITIES]
    following = {
        0: ("serve", *_OF_A_RUNNING_ONE),
        1: {"edit": tuple(KINDS), "fault": tuple(SCENES)}.get(words[0], ()) if words else (),
        2: entities if words and words[0] in _OF_A_RUNNING_ONE else (),
    }
    return [each for each in following.get(len(words), ()) if each.startswith(incomplete)]


def sandbox(
    words: Annotated[list[str] | None, typer.Argument(autocompletion=_completed)] = None,
) -> None:
    """Serve a made-up QuickBooks company, edit its books, or let it misbehave."""
    from ledgerguard_pipeline.sandbox.__main__ import app

    arguments = _with_the_port(list(words or ()))
    code = app(arguments, prog_name="ledgerguard sandbox", standalone_mode=False)
    if isinstance(code, int) and code:
        raise typer.Exit(code)


def _with_the_port(arguments: list[str]) -> list[str]:
    """Verbs for a running sandbox find the one of ``up``, wherever it listens."""
    named = any(each.partition("=")[0] == "--port" for each in arguments)
    if not arguments or arguments[0] not in _OF_A_RUNNING_ONE or named:
        return arguments
    from ledgerguard_pipeline.config.settings import load_settings
    from ledgerguard_pipeline.errors import ConfigurationError
    from ledgerguard_pipeline.running_up import running_in, sandbox_home

    try:
        running = running_in(sandbox_home(load_settings()))
    except ConfigurationError:
        return arguments  # what is wrong there says the first command that needs it
    port = None if running is None else running.ports.get("sandbox")
    return arguments if port is None else [arguments[0], "--port", str(port), *arguments[1:]]


def serve_command(port: int, *, invoices: int, webhook_url: str, books: Path) -> list[str]:
    """The command line of a sandbox process that sends its webhooks to ``webhook_url``.

    It keeps its ``books`` in a file.
    """
    return python(
        *("-m", MODULE, "serve", "--port", str(port), "--invoices", str(invoices)),
        *("--webhook-url", webhook_url, "--books", str(books)),
    )
