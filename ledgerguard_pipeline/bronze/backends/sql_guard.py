"""Which statements a reader of Bronze may run."""

from __future__ import annotations

import re

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.errors import BadInputError

_REACHING = re.compile(r'"function_name":"((?:ducklake|postgres|pg_clear)\w*)"', re.IGNORECASE)


def check_reach(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Let no statement reach past the lake: into its catalog, or into other databases.

    Raises:
        BadInputError: it calls a function that could.
    """
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    found = _REACHING.search("" if row is None else str(row[0]))
    if found is not None:
        raise BadInputError(f"{found[1]} is refused: a query of Bronze can only read its tables.")


def check_statement(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Let only one reading statement pass.

    Raises:
        BadInputError: it is empty, several, not SQL, or does anything but read.
    """
    bare = re.sub(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/|\()+", "", text, flags=re.DOTALL)
    word = re.match(r"[A-Za-z]*", bare)
    allowed = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "SUMMARIZE")
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise BadInputError(f"This is not valid SQL: {first_line(error)}.") from None
    if (
        len(statements) != 1
        or statements[0].type != duckdb.StatementType.SELECT
        or word is None
        or word[0].upper() not in allowed
    ):
        raise BadInputError(
            "Only a single reading statement is accepted (SELECT, WITH, FROM, DESCRIBE, SHOW or "
            "SUMMARIZE); only syncs write to Bronze."
        )
