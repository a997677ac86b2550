"""``ledgerguard tables`` and ``ledgerguard dbt-sources``: what there is to ask, for people and dbt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.cli.streams import data
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError

if TYPE_CHECKING:
    from ledgerguard_pipeline.silver.relations import Relation


_LOOK_SECONDS, _NAMED = 5.0, 10
_THERE = "SELECT table_schema, table_name FROM information_schema.tables"


def tables(
    name: Annotated[
        str | None, typer.Argument(help="One table or view, e.g. ar_open or bronze.invoice.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the tables and views that `ledgerguard sql` can ask, or describe one of them."""
    from ledgerguard_pipeline.silver.relations import relation, relations
    from ledgerguard_pipeline.silver.statements import is_narrow

    if name is not None:
        _describe(relation(name), as_json=as_json)
        return
    found = list(relations().values())
    if as_json:
        write_json([_document(each) for each in found])
        return
    shown = [each for each in found if not is_narrow(each.name)]
    rows = [(each.full_name, each.kind, each.grain, each.meaning) for each in shown]
    console().print(table(("name", "kind", "one row is", "what it holds"), rows))
    note(
        "Silver's tables and views with amounts have a v_<name> beside them, with DECIMAL(18,2). "
        "`ledgerguard tables NAME` shows the columns and an example."
    )


def entities(as_json: Json = False) -> None:
    """List the entity types of QuickBooks: how each is read, and whether this installation keeps it."""
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.entities import ENTITIES

    kept = {each.name for each in settings_here().kept_entities}
    if as_json:
        write_json(
            [
                {
                    "entity": each.name,
                    "group": each.group.value,
                    "table": f"bronze.{each.table}",
                    "changes": "cdc" if each.cdc else "query",
                    "kept": each.name in kept,
                    "meaning": each.description,
                }
                for each in ENTITIES
            ]
        )
        return
    rows = [
        (each.name, each.group.value, f"bronze.{each.table}", each.name in kept, each.description)
        for each in ENTITIES
    ]
    console().print(table(("entity", "group", "table", "kept", "what it is"), rows))
    note("LEDGERGUARD_ENTITIES chooses which are kept; all, if it is not set.")


def dbt_sources(
    path: Annotated[
        Path | None, typer.Argument(help="File to write, e.g. models/sources.yml; else printed.")
    ] = None,
    warn_hours: Annotated[
        int, typer.Option(min=1, help="dbt warns if no sync came for this many hours.")
    ] = 24,
    error_hours: Annotated[
        int, typer.Option(min=1, help="dbt fails if no sync came for this many hours.")
    ] = 72,
    database: Annotated[
        str | None,
        typer.Option(help="Name under which dbt attaches the file; its own database if left out."),
    ] = None,
) -> None:
    """Write Bronze and Silver as dbt sources, with descriptions, tests and freshness.

    Once something was loaded, only what is there: dbt's tests fail on tables that are not.
    """
    from ledgerguard_pipeline.silver.dbt_sources import sources_yml

    if error_hours < warn_hours:
        raise BadInputError(
            f"--error-hours {error_hours} is below --warn-hours {warn_hours}; dbt warns first."
        )
    if path is None:
        data().write(sources_yml(warn_hours, error_hours, database, _not_there()))
        return
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"The folder of {path} does not exist; create it first.")
    if path.is_dir() or not _is_ours(path):
        raise BadInputError(f"{path} was not made by this command, so it stays; name another file.")
    text = sources_yml(warn_hours, error_hours, database, _not_there())
    path.write_text(text, encoding="utf-8")
    say(f"Wrote {path}.")


def _not_there() -> list[str]:
    """What this installation has not loaded; nothing where it has loaded nothing at all yet."""
    from ledgerguard_pipeline.bronze.open_store import open_bronze
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.silver.dbt_sources import sources
    from ledgerguard_pipeline.silver.statements import is_narrow

    store = open_bronze(settings_here(), lock_wait_seconds=_LOOK_SECONDS)
    try:
        if not store.exists():
            return []
        there = {f"{schema}.{name}" for schema, name in store.sql(_THERE).rows}
    except LedgerGuardError as error:
        note(f"All tables are listed, loaded or not: {error.message}")
        return []
    missing = [name for name in sources() if name not in there]
    named = [name for name in missing if not is_narrow(name.partition(".")[2])]
    if named:
        more = f" and {len(named) - _NAMED} others" if len(named) > _NAMED else ""
        note(
            f"Left out, because nothing of their kind was loaded: {', '.join(named[:_NAMED])}{more}. "
            "Make the file anew once something is."
        )
    return missing


def _is_ours(path: Path) -> bool:
    """Whether nothing is lost with this file: it is new, empty, or was written here before."""
    from ledgerguard_pipeline.silver.dbt_sources import MADE_BY

    if not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(MADE_BY)) in (b"", MADE_BY.encode())


def _describe(found: Relation, *, as_json: bool) -> None:
    if as_json:
        write_json(_document(found))
        return
    say(f"{found.full_name} ({found.kind}): {found.meaning}")
    key = f" Key: {', '.join(found.key)}." if found.key else ""
    say(f"One row is {found.grain}.{key}")
    rows = [(each.name, each.type, each.meaning) for each in found.columns]
    console().print(table(("column", "type", "meaning"), rows))
    say(f"Example: {found.example}")


def _document(found: Relation) -> dict[str, object]:
    return {
        "name": found.full_name,
        "kind": found.kind,
        "meaning": found.meaning,
        "grain": found.grain,
        "key": list(found.key),
        "columns": [
            {"name": each.name, "type": each.type, "meaning": each.meaning}
            for each in found.columns
        ],
        "example": found.example,
    }
