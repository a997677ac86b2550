from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, Table, inspect, text
from sqlalchemy.engine import make_url

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage import migrate as migrating
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.migrate import (
    MIGRATIONS,
    migrate,
    own_schema,
    stored_revision,
)
from ledgerguard_pipeline.control.storage.schema import REVISION, metadata
from ledgerguard_pipeline.errors import ControlUnavailable, ControlUnreachable, SchemaMismatch
from ledgerguard_pipeline_tests.postgres import postgres_database

ROOT = Path(__file__).parents[3]

BROKEN = """
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade():
    op.execute("CREATE TABLE half_done (id INTEGER)")
    op.execute("INSERT INTO no_such_table VALUES (1)")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'control.db'}"
        return
    with postgres_database() as url:
        yield url


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    opened = Database(empty_url)
    yield opened
    opened.close()


def revision(database: Database) -> str | None:
    with database.read() as connection:
        return stored_revision(connection)


def test_the_code_names_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def all_migrations(database: Database, to: str = "head") -> None:
    """As a database came to be that every release has migrated, up to that of a revision."""
    with database.write("test") as connection:
        own_schema(database, connection)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        upgrade(config, to)


def test_what_runs_from_an_older_release_goes_on_with_the_newer_tables(tmp_path: Path) -> None:
    """While pods and workers are replaced one after the other: it names no column that came later."""
    database = Database(f"sqlite:///{tmp_path / 'control.db'}")
    known: dict[tuple[str, str], bool] = {}
    tables: set[str] = set()
    for number in range(1, int(REVISION) + 1):
        all_migrations(database, f"{number:04}")
        with database.read() as connection:
            found = inspect(connection)
            now = {
                (name, column["name"]): column["nullable"] or column["default"] is not None
                for name in found.get_table_names()
                for column in found.get_columns(name)
            }
        assert known.keys() <= now.keys(), f"{number:04} drops what an older release uses"
        demanded = {key for key in now.keys() - known.keys() if key[0] in tables and not now[key]}
        assert not demanded, f"{number:04} wants values that an older release does not know"
        known, tables = now, {name for name, _ in now}
    database.close()


def shape(database: Database) -> dict[str, object]:
    """All that can be known of the tables but the order of their columns, which later ones end."""
    with database.read() as connection:
        known = inspect(connection)
        found: dict[str, object] = {
            name: [
                sorted(repr({**one, "type": str(one["type"])}) for one in known.get_columns(name)),
                known.get_pk_constraint(name),
                sorted(
                    f"{[str(each) for each in one.pop('dialect_options', {}).values()]} {one}"
                    for one in known.get_indexes(name)
                ),
                sorted(map(repr, known.get_unique_constraints(name))),
            ]
            for name in known.get_table_names()
        }
        if database.is_sqlite:
            rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).all()
            found["indexes"] = sorted(str(row.sql) for row in rows if row.type == "index")
            found["without rowid"] = sorted(
                row.name for row in rows if "WITHOUT ROWID" in str(row.sql)
            )
        return found


def test_the_migrations_make_exactly_the_tables_the_code_uses(database: Database) -> None:
    all_migrations(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    assert revision(database) == REVISION


def test_a_new_database_is_as_all_migrations_make_it(database: Database) -> None:
    migrate(database)
    made = shape(database)
    with database.write("empty") as connection:
        known = inspect(connection)
        for name in known.get_table_names():
            connection.execute(text(f"DROP TABLE {name}"))
    all_migrations(database)
    assert made == shape(database)


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    assert revision(database) == REVISION


def test_a_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    migrate(database)
    with database.write("test") as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaMismatch, match="newer version") as caught:
        migrate(database)
    assert caught.value.exit_code == 2
    assert revision(database) == "9999"


def test_a_failing_migration_leaves_the_old_schema(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "r9999_broken.py").write_text(BROKEN.format(head=REVISION))
    monkeypatch.setattr(migrating, "MIGRATIONS", folder)
    monkeypatch.setattr(migrating, "REVISION", "9999")

    with pytest.raises(ControlUnavailable, match="no_such_table"):
        migrate(database)
    assert revision(database) == REVISION
    with database.read() as connection:
        assert not inspect(connection).has_table("half_done")


def test_an_interrupted_first_migration_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = MetaData()
    for one in metadata.sorted_tables:
        one.to_metadata(broken)
    Table("zzz_broken", broken, Column("id", Integer, server_default=text("no such default (")))
    monkeypatch.setattr(migrating, "metadata", broken)

    with pytest.raises(ControlUnavailable):
        migrate(database)
    assert revision(database) is None
    with database.read() as connection:
        assert inspect(connection).get_table_names() == []
    monkeypatch.undo()
    migrate(database)
    assert revision(database) == REVISION


@pytest.fixture
def plain_user() -> Iterator[tuple[str, str]]:
    """The address of a database for a user who may make no schema, and that of its owner."""
    with postgres_database() as owner:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("CREATE ROLE plain LOGIN PASSWORD 'made-up'")
        try:
            yield (
                make_url(owner)
                .set(username="plain", password="made-up")
                .render_as_string(hide_password=False),
                owner,
            )
        finally:
            with psycopg.connect(owner, autocommit=True) as connection:
                connection.execute("DROP OWNED BY plain CASCADE")
                connection.execute("DROP ROLE plain")


def test_a_schema_that_an_administrator_made_is_used(plain_user: tuple[str, str]) -> None:
    url, owner = plain_user
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ledgerguard AUTHORIZATION plain")
    database = Database(url)
    migrate(database)
    with database.read() as connection:
        assert stored_revision(connection) == REVISION
    database.close()


def test_a_user_who_may_make_no_schema_hears_what_to_ask_for(plain_user: tuple[str, str]) -> None:
    database = Database(plain_user[0])
    with pytest.raises(ControlUnreachable, match="CREATE SCHEMA ledgerguard AUTHORIZATION plain"):
        migrate(database)
    database.close()


def test_a_current_database_is_opened_without_alembic(settings: Settings) -> None:
    ControlPlane.open(settings).close()
    code = (
        "import sys; from ledgerguard_pipeline.config.settings import load_settings;"
        "from ledgerguard_pipeline.control.plane import ControlPlane;"
        "ControlPlane.open(load_settings()).close();"
        "print([name for name in ('alembic', 'psycopg', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LEDGERGUARD_HOME": str(settings.ledgerguard_home)},
    )
    assert done.stdout.strip() == "[]"


def test_eight_processes_that_open_a_new_home_at_once_migrate_it_once(
    settings: Settings, empty_url: str
) -> None:
    code = (
        "import os, sys; from pydantic import SecretStr;"
        "from ledgerguard_pipeline.config.settings import load_settings;"
        "from ledgerguard_pipeline.control.plane import ControlPlane;"
        "import alembic.command\n"
        "from ledgerguard_pipeline.control.storage import migrate\n"
        "begin = migrate._begin\n"
        "def noted(*arguments):\n"
        "    os.write(1, b'migrated ')\n"
        "    begin(*arguments)\n"
        "migrate._begin = noted\n"
        "settings = load_settings(ledgerguard_control_url=SecretStr(sys.argv[1]))\n"
        "children = []\n"
        "for _ in range(8):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        status = 1\n"
        "        try:\n"
        "            ControlPlane.open(settings).close()\n"
        "            status = 0\n"
        "        finally:\n"
        "            os._exit(status)\n"
        "    children.append(child)\n"
        "print([os.waitpid(child, 0)[1] for child in children])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, empty_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LEDGERGUARD_HOME": str(settings.ledgerguard_home)},
    )
    assert done.stdout.strip() == f"migrated {[0] * 8}", done.stderr


def test_a_control_url_of_another_kind_is_refused(settings: Settings) -> None:
    from ledgerguard_pipeline.errors import ConfigurationError

    for url in ("mysql://root@localhost/x", "sqlite://", "sqlite:///:memory:", "nonsense"):
        changed = settings.model_copy(update={"ledgerguard_control_url": SecretStr(url)})
        with pytest.raises(ConfigurationError, match="LEDGERGUARD_CONTROL_URL"):
            ControlPlane.open(changed)
