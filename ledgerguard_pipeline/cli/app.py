"""The table of verbs, and what happens around every one of them: logs, errors, exit codes.

A verb is imported and taken apart when it is asked for: turning the signatures of forty commands
into options takes longer than most of them need for their work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer

from ledgerguard_pipeline.cli.errors import INTERRUPTED
from ledgerguard_pipeline.cli.errors import report as report_error
from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.options import JSON_FLAG
from ledgerguard_pipeline.cli.verbs import VERBS
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.late_imports import sparing

PROGRAM = "ledgerguard"
LOG_LEVEL_VARIABLE = "LEDGERGUARD_LOG_LEVEL"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LOGGED = frozenset({"sync", "web"})

_HOME = "ledgerguard_pipeline.cli"


class Verbs(MutableMapping[str, Any]):
    """The commands by name; one that nobody asks for is never imported."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = dict.fromkeys(VERBS)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = _made(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class Root(Commands):
    """``ledgerguard`` itself."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = Verbs()

    def rows(self, _context: Any) -> list[tuple[str, str]]:
        """From the table, so that no verb is imported for the list."""
        return [(name, verb.help) for name, verb in VERBS.items()]


app = typer.Typer(
    name="ledgerguard",
    help="QuickBooks Online books in DuckDB, byte for byte, kept current through Dagster.",
    cls=Root,
    **LOOK,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"ledgerguard {version('ledgerguard-pipeline')}\n")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    import logging

    from ledgerguard_pipeline.observability.logs import configure_logging

    # On a terminal the bars show what happens; elsewhere every request leaves a line on stderr.
    logged = context.invoked_subcommand in _LOGGED and not sys.stderr.isatty()
    configure_logging(_log_level() or ("INFO" if logged else "WARNING"))
    # Dagster creates its tables quietly: four lines of migrations are no news to anybody.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _log_level() -> str:
    """What the environment asks for, if anything.

    Raises:
        ConfigurationError: there is no such level.
    """
    import logging

    level = os.environ.get(LOG_LEVEL_VARIABLE, "").strip().upper()
    if level and level not in logging.getLevelNamesMapping():
        raise ConfigurationError(
            f"{LOG_LEVEL_VARIABLE} is {level[:40]!r}; it has to be one of {', '.join(LOG_LEVELS)}."
        )
    return level


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code; every error becomes one sentence on stderr."""
    machine = JSON_FLAG in arguments
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last net: nobody sees a traceback
        return report_error(error, machine=machine, command=_command(arguments))
    code = code if isinstance(code, int) else 0
    if code == INTERRUPTED:
        return report_error(KeyboardInterrupt(), machine=machine)
    return code


def _command(arguments: list[str]) -> str:
    """The command that was asked for, as its help calls it."""
    words: list[str] = [PROGRAM]
    found: Any = typer.main.get_command(app)
    for word in arguments:
        found = getattr(found, "commands", {}).get(word)
        if found is None:
            break
        words.append(word)
    return " ".join(words)


def _made(name: str) -> Any:
    with sparing("rich"):  # structlog would load rich's tracebacks, which nobody is ever shown
        import structlog  # noqa: F401
    verb = VERBS[name]
    module = import_module(f"{_HOME}.{verb.module}")
    found = getattr(module, verb.function)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False, **(LOOK | {"no_args_is_help": False}))
        alone.command(name, context_settings=getattr(module, "PASS_THROUGH", None))(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command
