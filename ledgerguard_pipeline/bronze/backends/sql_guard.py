"""Which statements a reader of Bronze may run."""

from __future__ import annotations

import re

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.bronze.loads import Answer
from ledgerguard_pipeline.errors import BadInputError

_REACHING = re.compile(r'"function_name":"((?:ducklake|postgres|pg_clear)\w*)"', re.IGNORECASE)


def ask(
    connection: duckdb.DuckDBPyConnection, statement: str, limit: int | None, *, in_lake: bool
) -> Answer:
    """Run one reading statement and fetch up to ``limit`` rows.

    Raises:
        BadInputError: it is not one reading statement, or DuckDB refuses it.
        duckdb.IOException: servers of the lake do not answer, for which no statement is to blame.
    """
    check_statement(connection, statement)
    if in_lake:
        check_reach(connection, statement)
    try:
        result = connection.execute(statement)
        columns = [str(column[0]) for column in result.description or ()]
        rows = result.fetchall() if limit is None else result.fetchmany(limit)
    except duckdb.Error as error:
        if in_lake and isinstance(error, duckdb.IOException):
            raise
        raise BadInputError(f"DuckDB refused the query: {first_line(error)}.") from None
    return Answer(columns, rows)


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
