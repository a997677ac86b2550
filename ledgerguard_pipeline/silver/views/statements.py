"""The statements that create the views."""

from __future__ import annotations

import hashlib
import re
from functools import cache

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.silver.books_tables import JOURNAL
from ledgerguard_pipeline.silver.layout import SCHEMA, EntityTables, tables_of
from ledgerguard_pipeline.silver.statements import at, narrow
from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS
from ledgerguard_pipeline.silver.views.form import ReaderView

STAMP = "_reader_views"
"""A view that keeps of which statements and tables the others were made."""
READ_STAMP = (
    "SELECT sql FROM duckdb_views() "
    "WHERE database_name = ? AND schema_name = 'silver' AND view_name = ?"
)
TODAY = "CAST(make_timestamp(epoch_us(now())) AS DATE)"
"""SQL of today in UTC; ``current_date`` is today in the zone of whoever asks."""
_NAMED = re.compile(rf"\b{SCHEMA}\.(\w+)")


def create_views(catalog: str) -> list[str]:
    """All views, and the stamp last."""
    made = [each for view in READER_VIEWS.values() for each in _create(catalog, view)]
    stamp = f"CREATE OR REPLACE VIEW {at(catalog, STAMP)} AS SELECT '{fingerprint()}' AS made_of"
    return [*made, stamp]


def create_journal(catalog: str) -> str:
    """The journal, empty until books are compared for the first time."""
    return f"CREATE TABLE IF NOT EXISTS {at(catalog, 'journal')} ({JOURNAL.definition})"


@cache
def fingerprint() -> str:
    """Differs between releases whose views differ, or the tables they are made from."""
    parts = [each for view in READER_VIEWS.values() for each in _create("", view)]
    parts += [tables.version for tables in entities_used()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def entities_used() -> tuple[EntityTables, ...]:
    """The entity types that some view is made from."""
    named = {name for view in READER_VIEWS.values() for name in _NAMED.findall(view.sql)}
    every = (tables_of(entity) for entity in ENTITIES)
    return tuple(each for each in every if named.intersection(table.name for table in each.tables))


def _create(catalog: str, view: ReaderView) -> list[str]:
    typed = ", ".join(
        f"CAST({quoted(each.name)} AS {each.kind.sql}) AS {quoted(each.name)}"
        for each in view.columns
    )
    rows = f"SELECT {typed} FROM ({view.sql})"
    made = [f"CREATE OR REPLACE VIEW {at(catalog, view.name)} AS {_on(rows, TODAY)}"]
    if view.exact:
        shown = ", ".join(
            f"TRY_CAST({quoted(each.name)} AS {each.kind.narrow}) AS {quoted(each.name)}"
            if each.kind.exact
            else quoted(each.name)
            for each in view.columns
        )
        made.append(
            f"CREATE OR REPLACE VIEW {at(catalog, narrow(view.name))} AS "
            f"SELECT {shown} FROM {SCHEMA}.{quoted(view.name)}"
        )
    if view.dated:
        made.append(
            f"CREATE OR REPLACE MACRO {at(catalog, view.macro)}(as_of) AS TABLE "
            f"{_on(rows, 'as_of')}"
        )
    return made


def _on(sql: str, day: str) -> str:
    return sql.replace(":day", day)
