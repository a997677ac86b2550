"""Bring the database to this code's schema; forward only, all or nothing.

A current database is recognised by one read, without importing alembic. An empty one gets the
tables of this version at once, which are the ones that all migrations make (a test holds them
together). Otherwise the missing migrations run. Either is one transaction that other processes wait
for, so a failing one leaves the old schema as it was.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    String,
    Table,
    column,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import ProgrammingError

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.engines import POSTGRES_SCHEMA
from ledgerguard_pipeline.control.storage.schema import REVISION, metadata
from ledgerguard_pipeline.errors import ControlUnreachable, SchemaMismatch

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Apply what is missing.

    Raises:
        SchemaMismatch: the database was written by a newer version of this program.
        ControlUnreachable: PostgreSQL lacks our schema and does not let this user make it.
        ControlUnavailable: it cannot be reached, or a migration failed; nothing was changed.
    """
    with database.read() as connection:
        if stored_revision(connection) == REVISION:
            return
    with database.write("migrate", patient=True) as connection:
        stored = stored_revision(connection)
        if stored != REVISION:
            own_schema(database, connection)
            if stored is None:
                _begin(connection)
            else:
                _upgrade(connection, stored)


def stored_revision(connection: Connection) -> str | None:
    """The schema revision of the database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    query: Select[str] = select(column("version_num")).select_from(table("alembic_version"))
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def own_schema(database: Database, connection: Connection) -> None:
    """What must exist before the first table: PostgreSQL's own schema.

    An administrator may have made it for a user who may make none.

    Raises:
        ControlUnreachable: it is missing, and this user may not make it.
    """
    if database.is_sqlite or inspect(connection).has_schema(POSTGRES_SCHEMA):
        return
    try:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {POSTGRES_SCHEMA}"))
    except ProgrammingError as error:
        raise ControlUnreachable(
            f"The control plane ({database.url.render_as_string(hide_password=True)}) lacks its schema, "
            f"and this user may not make it ({str(error.orig).splitlines()[0]}). Have an administrator "
            f"run `CREATE SCHEMA {POSTGRES_SCHEMA} AUTHORIZATION {database.url.username}` there."
        ) from error


def _begin(connection: Connection) -> None:
    """Make the tables of this version, and alembic's note of it."""
    metadata.create_all(connection)
    noted = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    noted.create(connection)
    connection.execute(noted.insert().values(version_num=REVISION))


def _upgrade(connection: Connection, stored: str) -> None:
    from alembic.command import upgrade  # slow to import, rarely needed
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if stored not in known:
        raise SchemaMismatch(
            f"The control plane has schema {stored[:40]!r}, which this version of "
            "ledgerguard-pipeline does not know. It was written by a newer version: install that "
            "one, or use another LEDGERGUARD_HOME."
        )
    config.attributes["connection"] = connection
    upgrade(config, "head")
