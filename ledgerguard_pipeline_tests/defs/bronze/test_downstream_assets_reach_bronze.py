"""The DuckDB resource gives the file back whatever happens, and reads beside plain connections."""

from pathlib import Path

import duckdb
import pytest
from dagster_duckdb import DuckDBResource

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB, database_of
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.lakes import empty_lake


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bronze.duckdb"
    with BronzeDuckDB(database=str(path)).get_connection() as connection:
        connection.execute("CREATE SCHEMA bronze")
        connection.execute("CREATE TABLE bronze.thing AS SELECT 7 AS figure")
    return path


def test_it_is_a_duckdb_resource_for_existing_assets(file: Path) -> None:
    resource = BronzeDuckDB(database=str(file))
    assert isinstance(resource, DuckDBResource)
    with resource.get_connection(read_only=True) as connection:
        assert connection.execute("SELECT figure FROM bronze.thing").fetchall() == [(7,)]


def _stumble(resource: BronzeDuckDB, held: list[duckdb.DuckDBPyConnection]) -> None:
    with resource.get_connection() as connection:
        held.append(connection)
        raise ZeroDivisionError


def test_the_file_is_free_again_after_an_exception_in_the_block(file: Path) -> None:
    held: list[duckdb.DuckDBPyConnection] = []
    with pytest.raises(ZeroDivisionError):
        _stumble(BronzeDuckDB(database=str(file)), held)
    assert len(held) == 1
    with duckdb.connect(str(file)) as plain:
        assert plain.execute("SELECT figure FROM bronze.bronze.thing").fetchall() == [(7,)]


def test_a_read_only_connection_writes_nothing(file: Path) -> None:
    resource = BronzeDuckDB(database=str(file))
    with (
        pytest.raises(BronzeError, match="read-only"),
        resource.get_connection(read_only=True) as connection,
    ):
        connection.execute("INSERT INTO bronze.thing VALUES (8)")


def test_options_of_the_resource_reach_the_connection(file: Path) -> None:
    resource = BronzeDuckDB(
        database=str(file), connection_config={"preserve_insertion_order": "false"}
    )
    with resource.get_connection(read_only=True) as connection:
        row = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchone()
    assert row == (False,)


def test_an_option_name_cannot_carry_sql(file: Path) -> None:
    resource = BronzeDuckDB(
        database=str(file), connection_config={"x = 1; DROP SCHEMA bronze": "1"}
    )
    with (
        pytest.raises(ValueError, match="not the name of a DuckDB option"),
        resource.get_connection(read_only=True) as connection,
    ):
        connection.execute("SELECT 1")


def test_a_lake_is_reached_alike_and_its_address_stays_out_of_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty_lake(tmp_path / "lake") as url:
        monkeypatch.setenv("LEDGERGUARD_BRONZE_URL", url)
        settings = load_settings(ledgerguard_home=tmp_path)
        make_bronze(settings.bronze_address)
        resource = BronzeDuckDB(database=database_of(settings))
        assert "postgres" not in str(resource.database)
        with resource.get_connection(read_only=True) as connection:
            assert connection.execute("SELECT id FROM bronze.customer").fetchall() == [("1",)]
        with resource.get_connection() as connection:
            connection.execute("CREATE SCHEMA silver")
            connection.execute("CREATE TABLE silver.t AS SELECT id FROM bronze.customer")
            assert connection.execute("SELECT id FROM silver.t").fetchall() == [("1",)]
