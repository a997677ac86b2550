"""Which programs may use a Bronze store: it knows its environment and the version of its layout."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze import report_table, statements
from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.errors import BronzeError, WrongEnvironment
from ledgerguard_pipeline.values import Environment

_PRESENT = "the tables of schema bronze"
_OTHER_DIGEST = 2
"""The layout in which ``_reports`` had the digest under another name."""


def has_schema(session: OpenStore) -> bool:
    """False for a place nothing was loaded into yet."""
    if _PRESENT in session.known:
        return True
    # Nothing is bound here and in what else every opening asks: DuckDB imports pandas for that.
    found = session.connection.execute(statements.FIND_SCHEMA).fetchall()
    return (session.catalog, statements.SCHEMA) in found


def prepare(
    backend: Backend, session: OpenStore, environment: Environment | None, now: datetime
) -> set[str]:
    """Lay out a new store for this environment, or check and upgrade an old one; its tables.

    Raises:
        BronzeError: the store is new and nobody said whose it is to be.
        WrongEnvironment, BronzeError: as ``enter``.
    """
    if not has_schema(session):
        if environment is None:
            raise BronzeError(
                f"{_capital(backend.name)} is new and belongs to no Intuit environment yet: name "
                "one when opening it, or let an IngestionService write first."
            )
        _in_one(session, lambda: _lay_out(session, environment, now))
        return enter(backend, session, environment)
    present = enter(backend, session, environment)
    missing = statements.SYSTEM_TABLES.keys() - present
    layout = _layout(session.connection)
    if missing or layout < statements.SCHEMA_VERSION:
        _in_one(session, lambda: _upgrade(session.connection, missing, layout))
        present |= missing
    return present


def _in_one(session: OpenStore, work: Callable[[], None]) -> None:
    connection = session.connection
    connection.execute("BEGIN TRANSACTION")
    try:
        work()
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _lay_out(session: OpenStore, environment: Environment, now: datetime) -> None:
    connection = session.connection
    connection.execute(statements.create_schema(session.catalog))
    connection.execute(statements.search_path(session.catalog))
    for statement in statements.create_system_tables():
        connection.execute(statement)
    meta = [
        ("environment", environment.value),
        ("schema_version", str(statements.SCHEMA_VERSION)),
        (statements.FIRST_LAYOUT, str(statements.SCHEMA_VERSION)),
        ("created_at", now.isoformat()),
    ]
    insert_rows(connection, "_meta", ("key", "value"), meta)


def _upgrade(connection: duckdb.DuckDBPyConnection, missing: Collection[str], layout: int) -> None:
    """From an older layout: tables are added, rows stay; healing them is each company's sync's."""
    for statement in statements.create_system_tables(missing):
        connection.execute(statement)
    if layout == _OTHER_DIGEST and report_table.NAME not in missing:
        connection.execute(report_table.RENAME_DIGEST)
    connection.execute(statements.SET_LAYOUT, [str(statements.SCHEMA_VERSION)])


def _layout(connection: duckdb.DuckDBPyConnection) -> int:
    return int(dict(connection.execute(statements.READ_META).fetchall()).get("schema_version", "0"))


def enter(backend: Backend, session: OpenStore, environment: Environment | None) -> set[str]:
    """Check that the store is ours (None takes any), make ``bronze`` the search path, return the tables.

    Raises:
        WrongEnvironment: it belongs to the other Intuit environment.
        BronzeError: it is no Bronze store, or of a newer layout than this program knows.
    """
    if _PRESENT in session.known:  # of an opening that is shared
        return session.known[_PRESENT]
    connection = session.connection
    connection.execute(statements.search_path(session.catalog))
    present = backend.tables(session)
    if "_meta" not in present:
        raise BronzeError(
            f"{_capital(backend.name)} has a schema `bronze` that is not a Bronze store; point "
            "LEDGERGUARD_BRONZE_URL elsewhere."
        )
    meta = dict(connection.execute(statements.READ_META).fetchall())
    if environment is not None and meta.get("environment") != environment.value:
        raise other_environment(backend.name, str(meta.get("environment")), environment)
    if int(meta.get("schema_version", "0")) > statements.SCHEMA_VERSION:
        raise BronzeError(
            f"{_capital(backend.name)} was written by a newer release (layout "
            f"{meta['schema_version']}, known {statements.SCHEMA_VERSION}); upgrade this program."
        )
    if not session.lake:
        session.known[_PRESENT] = present
    return present


def other_environment(name: str, mine: str, asked: Environment) -> WrongEnvironment:
    """The error of a store that belongs to the other environment."""
    return WrongEnvironment(
        f"{_capital(name)} belongs to Intuit's {mine} environment, but INTUIT_ENV is "
        f"{asked.value} (or the client's environment is). Use one store per environment: "
        "another LEDGERGUARD_HOME, LEDGERGUARD_BRONZE_URL or db_path."
    )


def reenter(backend: Backend, session: OpenStore) -> set[str]:
    """As ``enter``, for a lake this process has checked before: it cannot be exchanged."""
    session.connection.execute(statements.search_path(session.catalog))
    return backend.tables(session)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
