"""Whether a SQLite file of Dagster's has its schema, and giving it to the log of a new run quickly.

Dagster loads all its migrations to look at a revision, 70 ms of CPU for each process, and has
SQLAlchemy make the tables of every run's log, 90 ms a run. A file that names a revision is never
changed by looking at it, and all logs of a release have the same schema.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy

_REVISION = "SELECT version_num FROM alembic_version"
_SCHEMA = "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"


class Schema(NamedTuple):
    """How to make an empty file's tables and indices, and the revision that they are of."""

    statements: Sequence[str]
    revision: str


def has_revision(engine: sqlalchemy.Engine) -> bool:
    """Whether a file's schema is complete: Dagster notes its revision last."""
    with engine.connect() as connection:
        return _revision(connection) is not None


def is_empty(engine: sqlalchemy.Engine) -> bool:
    """Whether nothing was made in a file yet."""
    with engine.connect() as connection:
        return not _statements(connection)


def read_schema(engine: sqlalchemy.Engine) -> Schema | None:
    """The schema of a file that Dagster made; None if its revision is not noted."""
    with engine.connect() as connection:
        revision = _revision(connection)
        return None if revision is None else Schema(_statements(connection), revision)


def make_schema(engine: sqlalchemy.Engine, schema: Schema) -> None:
    """Give an empty file this schema in one transaction.

    Another process may do the same, or Dagster's own code: a file that is not empty any more is
    left as it is, and ``has_revision`` says whether it is complete.
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if not _statements(connection):
            for statement in schema.statements:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(
                "INSERT INTO alembic_version (version_num) VALUES (?)", (schema.revision,)
            )
        connection.commit()


def _revision(connection: sqlalchemy.Connection) -> str | None:
    try:
        row = connection.exec_driver_sql(_REVISION).first()
    except sqlalchemy.exc.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None
    return None if row is None else str(row[0])


def _statements(connection: sqlalchemy.Connection) -> list[str]:
    """Tables before what belongs to them."""
    rows = connection.exec_driver_sql(_SCHEMA).all()
    return [str(sql) for _, sql in sorted(rows, key=lambda row: row[0] != "table")]
