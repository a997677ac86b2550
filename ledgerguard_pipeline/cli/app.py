"""What happens around every verb: logs, errors, exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ledgerguard_pipeline.cli.errors import INTERRUPTED
from ledgerguard_pipeline.cli.errors import report as report_error
from ledgerguard_pipeline.cli.help_pages import LOOK
from ledgerguard_pipeline.cli.options import JSON_FLAG
from ledgerguard_pipeline.cli.verbs import Root

PROGRAM = "ledgerguard"
LOG_LEVEL_VARIABLE = "LEDGERGUARD_LOG_LEVEL"
_LOGGED = frozenset({"sync", "web"})

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
    configure_logging(os.environ.get(LOG_LEVEL_VARIABLE) or ("INFO" if logged else "WARNING"))
    # Dagster creates its tables quietly: four lines of migrations are no news to anybody.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code; every error becomes one sentence on stderr."""
    machine = JSON_FLAG in arguments
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; closing stdout again must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as error:
        # Typer ends so when the reader of its help goes away.
        return (
            0
            if isinstance(error.__context__, BrokenPipeError)
            else report_error(error, machine=machine)
        )
    except BaseException as error:  # noqa: BLE001 - the last net: nobody sees a traceback
        return report_error(error, machine=machine)
    code = code if isinstance(code, int) else 0
    if code == INTERRUPTED:
        return report_error(KeyboardInterrupt(), machine=machine)
    return code
