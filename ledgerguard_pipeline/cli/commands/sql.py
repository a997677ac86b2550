"""``ledgerguard sql`` and ``ledgerguard snapshot``: reading Bronze without disturbing the writer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import cell, console, note, say, table, write_csv, write_json
from ledgerguard_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.backends.duckdb_file import Noticed
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.errors import BronzeUnusable

_SHOWN_ROWS = 1000
_MISSING = re.compile(r'Table (?:Function )?with name "?([\w.]+)"? does not exist')


def sql(
    statement: Annotated[str, typer.Argument(help='One statement, e.g. "SELECT count(*) ...".')],
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Maximum number of rows ({_SHOWN_ROWS} in a table, all with --json)."
        ),
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV (RFC 4180), all rows.")] = False,
    vertical: Annotated[
        bool, typer.Option("--vertical", help="One column per line, for wide rows.")
    ] = False,
) -> None:
    """Ask Bronze or Silver one read-only question, e.g. "FROM silver.ar_open"."""
    from ledgerguard_pipeline.bronze.loads import distinct
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    if not statement.strip():
        raise BadInputError('The statement is empty; try "SELECT count(*) FROM bronze.invoice".')
    if as_json + as_csv + vertical > 1:
        raise BadInputError("--json, --csv and --vertical are three forms; choose one.")
    store = existing_bronze(settings)
    wanted = limit if limit is not None or as_json or as_csv else _SHOWN_ROWS + 1
    try:
        columns, rows = store.sql(statement, wanted)
    except BadInputError as error:
        raise _with_the_nearest(error, statement) from None
    names = distinct(columns)
    if as_json:
        write_json(
            {
                "columns": names,
                "rows": [dict(zip(names, row, strict=True)) for row in rows],
            }
        )
        return
    if as_csv:
        write_csv(names, rows)
        return
    more = limit is None and len(rows) > _SHOWN_ROWS
    shown = rows[:_SHOWN_ROWS] if more else rows
    if vertical:
        _show_vertically(names, shown)
    else:
        console().print(table(names, shown, numeric=_numbers(names, shown)))
    if more:
        note(f"Only the first {_SHOWN_ROWS:,} rows are shown; --limit or --json gives more.")


def _numbers(names: Sequence[str], rows: Sequence[Sequence[object]]) -> frozenset[str]:
    """Columns in which every value is a number; people compare those from the right."""

    def number(value: object) -> bool:
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)

    columns = zip(names, zip(*rows, strict=True), strict=True) if rows else ()
    return frozenset(
        name
        for name, values in columns
        if all(value is None or number(value) for value in values) and any(map(number, values))
    )


def _show_vertically(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A line for each value, under a line that counts the rows; nothing is cut."""
    width = max((len(name) for name in names), default=0)
    for number, row in enumerate(rows, 1):
        say(f"-- row {number:,} --")
        for name, value in zip(names, row, strict=True):
            say(f"{name:>{width}}  {cell(value)}")


def snapshot(
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace an older copy of the same books, in one step."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a consistent copy of Bronze and Silver for notebooks, which may then keep it open."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    if path.exists() and not replace:
        raise BadInputError(
            f"{path} already exists and stays as it is; name a new file, or say --replace."
        )
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"The folder of {path} does not exist; create it first.")
    if path.name.split(".")[0].lower() == "bronze":
        # DuckDB names a database after its file, and bronze.invoice would then mean two things.
        raise BadInputError(
            f"A copy called {path.name} could not be queried for bronze.invoice, because DuckDB "
            "would name the whole file bronze as well; choose another name, such as books.duckdb."
        )
    from ledgerguard_pipeline.cli.errors import ending_as_by_ctrl_c

    with ending_as_by_ctrl_c():
        existing_bronze(settings, copies=True).snapshot(path)
    size = path.stat().st_size
    if as_json:
        write_json({"path": str(path), "bytes": size})
    else:
        say(f"Wrote {path} ({size / 1_000_000:,.1f} MB).")


def existing_bronze(settings: Settings, *, copies: bool = False) -> BronzeStore:
    """The Bronze store, if there is one; reading never creates it.

    Whoever ``copies`` it takes along what is made from it.

    Raises:
        BadInputError: nothing was loaded yet.
    """
    store = bronze_here(settings, copies=copies)
    if not store.exists():
        raise BadInputError(
            f"Nothing was loaded into {store.name} yet; run `ledgerguard sync` first."
        )
    return store


def bronze_here(settings: Settings, *, copies: bool = False) -> BronzeStore:
    """As ``existing_bronze``, be anything loaded or not."""
    from ledgerguard_pipeline.bronze.open_store import open_bronze

    follower = None
    if copies:
        from ledgerguard_pipeline.silver.follow import SilverFollower

        follower = SilverFollower()
    return open_bronze(settings, noticed=recording_damage(settings), follower=follower)


def recording_damage(settings: Settings) -> Noticed:
    """Lets every company's health say that Bronze cannot be opened, whoever finds it out."""

    def noticed(wrong: BronzeUnusable | None) -> None:
        if wrong is None:
            return  # the next sync finds that as well, and reading waits for nothing
        from ledgerguard_pipeline.installation import Installation

        with Installation.open(settings) as installation:
            installation.bronze_noticed(wrong)

    return noticed


def _with_the_nearest(error: BadInputError, statement: str) -> BadInputError:
    """The error, or a better one where a table was not found; DuckDB leaves out its schema."""
    missing = _MISSING.search(str(error))
    if missing is None:
        return error
    from ledgerguard_pipeline.silver.relations import explain_missing

    name = missing[1]
    asked = re.search(rf'\b(bronze|silver)"?\."?{re.escape(name)}\b', statement, re.IGNORECASE)
    return BadInputError(explain_missing(name if asked is None else f"{asked[1]}.{name}"))
