"""The table of verbs, and what happens around every one of them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ledgerguard_pipeline.cli.commands import (
    alerts,
    bench,
    companies,
    connect,
    events,
    keys,
    report,
    sql,
    status,
    sync,
    tables,
    tieout,
    web,
)
from ledgerguard_pipeline.cli.doctor import command
from ledgerguard_pipeline.cli.errors import INTERRUPTED
from ledgerguard_pipeline.cli.errors import report as report_error
from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.local import demo, sandbox, up
from ledgerguard_pipeline.cli.options import JSON_FLAG
from ledgerguard_pipeline.cli.stores import attachments, backup, bronze, silver

PROGRAM = "ledgerguard"
LOG_LEVEL_VARIABLE = "LEDGERGUARD_LOG_LEVEL"
_LOGGED = frozenset({"sync", "web"})

app = typer.Typer(
    name="ledgerguard",
    help="QuickBooks Online books in DuckDB, byte for byte, kept current through Dagster.",
    cls=Commands,
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


app.command("doctor")(command.doctor)
app.command("connect")(connect.connect)
app.command("disconnect")(companies.disconnect)
app.add_typer(companies.app, name="companies")
app.command("sync")(sync.sync)
app.command("status")(status.status)
app.add_typer(events.app, name="events")
app.add_typer(alerts.app, name="alerts")
app.add_typer(keys.app, name="keys")
app.command("report")(report.report)
app.command("tieout")(tieout.tieout)
app.command("sql")(sql.sql)
app.command("tables")(tables.tables)
app.command("entities")(tables.entities)
app.command("snapshot")(sql.snapshot)
app.command("backup")(backup.backup)
app.command("dbt-sources")(tables.dbt_sources)
app.add_typer(attachments.app, name="attachments")
app.add_typer(bronze.app, name="bronze")
app.add_typer(silver.app, name="silver")
app.command("web")(web.web)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("bench", context_settings=bench.PASS_THROUGH)(bench.bench)
app.command("sandbox", context_settings=sandbox.PASS_THROUGH)(sandbox.sandbox)


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
