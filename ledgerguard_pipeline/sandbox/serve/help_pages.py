"""How the sandbox's commands show help and say no: as the product's do; the two share no code."""

from __future__ import annotations

from typing import Any, Never

import typer
from typer.core import TyperGroup

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

LOOK: dict[str, Any] = {
    "rich_markup_mode": None,
    "no_args_is_help": True,
    # Tracebacks with local variables could show a token.
    "pretty_exceptions_enable": False,
    "context_settings": HELP_OPTIONS,
}
"""Arguments of ``typer.Typer`` for every group of commands."""


class Commands(TyperGroup):
    """Lists its commands with their whole first sentence, wrapped and not cut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # as in typer
        """Name and first paragraph of each command that is shown."""
        known = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, " ".join((command.help or "").partition("\n\n")[0].split()))
            for name, command in known
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def complain(why: str, code: int) -> Never:
    """End the command with a sentence on stderr."""
    typer.echo(why[:1].upper() + why[1:], err=True)
    raise typer.Exit(code)
