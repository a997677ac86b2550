"""Many materializations of a step are stored at once, and each asset shows its newest."""

import io
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, redirect_stderr
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.bronze.grid import pointers
from ledgerguard_pipeline.defs.instance import sqlite_storage
from ledgerguard_pipeline.defs.instance.home import EVENT_BATCHES
from ledgerguard_pipeline.defs.instance.step_events import record
from ledgerguard_pipeline.defs.partitions import REALM, WINDOW
from ledgerguard_pipeline_tests.defs.conftest import FIRST, pooled_instance
from ledgerguard_pipeline_tests.postgres import postgres_database

ASSETS = [dg.AssetKey(["books", name]) for name in ("bill", "customer", "invoice")]
CELLS = [dg.MultiPartitionKey({REALM: FIRST, WINDOW: f"2026-0{month}-01"}) for month in (1, 2, 3)]
NEWEST = CELLS[-1]


HEARD: list[dg.EventLogEntry] = []


@dg.op(config_schema={"heard": dg.Field(bool, default_value=False)})
def load(context: dg.OpExecutionContext) -> None:
    if context.op_config["heard"]:
        context.instance.add_event_listener(context.run_id, HEARD.append)
    older = pointers(FIRST, NEWEST, [(key, cell) for key in ASSETS for cell in CELLS[:-1]])
    newest = [
        dg.AssetMaterialization(key, metadata={"rows": number}, partition=NEWEST)
        for number, key in enumerate(ASSETS)
    ]
    record(context.get_step_execution_context(), "load", [*older, *newest])


@dg.job(executor_def=dg.in_process_executor)
def loading() -> None:
    load()


@contextmanager
def on_postgres(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with Dagster's own storage on a server."""
    with postgres_database() as url:
        # Dagster asks in a way that only psycopg 2 understands.
        address = url.replace("postgresql://", "postgresql+psycopg2://")
        storage = {"postgres": {"postgres_url": address}}
        with dg.DagsterInstance.local_temp(str(folder), {"storage": storage}) as instance:
            yield instance


@pytest.mark.parametrize("stored", [pooled_instance, on_postgres])
def test_each_asset_shows_its_newest_cell_and_all_that_were_completed(
    stored: Callable[[Path], AbstractContextManager[dg.DagsterInstance]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in EVENT_BATCHES.items():
        monkeypatch.setenv(name, text)
    with stored(tmp_path) as instance:
        ran = loading.execute_in_process(instance=instance)
        assert ran.success
        for key in ASSETS:
            assert instance.get_materialized_partitions(key) == set(CELLS)
        for found in instance.get_asset_records(ASSETS):
            last = found.asset_entry.last_materialization
            assert last is not None
            assert last.asset_materialization is not None
            assert last.asset_materialization.partition == NEWEST
            assert last.asset_materialization.metadata.keys() == {"rows"}
        shown = instance.all_logs(ran.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        assert len(shown) == len(ASSETS) * len(CELLS)
        assert {each.message for each in shown} == {
            f"Materialized value books {key.path[-1]}." for key in ASSETS
        }
        assert {each.step_key for each in shown} == {"load"}


def test_who_waits_for_the_events_of_a_run_hears_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "HEARD", [])
    with pooled_instance(tmp_path) as instance:
        config = {"ops": {"load": {"config": {"heard": True}}}}
        assert loading.execute_in_process(instance=instance, run_config=config).success
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    heard = [each for each in HEARD if each.dagster_event_type == kind]
    assert len(heard) == len(ASSETS) * len(CELLS)


def test_a_file_that_somebody_holds_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_storage, "BUSY_SECONDS", 0)
    with pooled_instance(tmp_path) as instance:
        assert loading.execute_in_process(instance=instance).success
        with closing(sqlite3.connect(next(tmp_path.rglob("index.db")))) as other:

            class Waiting(io.StringIO):
                def write(self, text: str) -> int:
                    other.rollback()
                    return super().write(text)

            @dg.op
            def load_again(context: dg.OpExecutionContext) -> None:
                step = context.get_step_execution_context()
                found = pointers(FIRST, NEWEST, [(key, NEWEST) for key in ASSETS])
                other.execute("BEGIN IMMEDIATE")
                with redirect_stderr(Waiting()) as said:
                    record(step, "again", found)
                assert said.getvalue() == (
                    "Materializations could not be stored together: database is locked\n"
                )

            @dg.job(executor_def=dg.in_process_executor)
            def loading_again() -> None:
                load_again()

            ran = loading_again.execute_in_process(instance=instance)
        shown = instance.all_logs(ran.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        assert [each.get_dagster_event().asset_key for each in shown] == ASSETS
        for key in ASSETS:
            records = instance.fetch_materializations(key, limit=10).records
            assert len(records) == len(CELLS) + 1
