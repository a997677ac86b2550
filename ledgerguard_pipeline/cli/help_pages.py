"""One look for the help of every command: plain text, ``-h`` as well as ``--help``, nothing cut."""

from __future__ import annotations

from typing import Any

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

    def rows(self, context: Any) -> list[tuple[str, str]]:
        """Name and first paragraph of each command that is shown."""
        known = ((name, self.get_command(context, name)) for name in self.list_commands(context))
        return [
            (name, " ".join((command.help or "").partition("\n\n")[0].split()))
            for name, command in known
            if command is not None and not command.hidden
        ]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # as in typer
        """All of them."""
        with formatter.section("Commands"):
            formatter.write_dl(self.rows(ctx))
