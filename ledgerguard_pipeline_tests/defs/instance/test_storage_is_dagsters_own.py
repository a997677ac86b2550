"""Kept connections change the speed of Dagster's storage and nothing else."""

import threading
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.pool import QueuePool

from ledgerguard_pipeline.defs.instance.sqlite_storage import (
    CACHE_KIB,
    PooledEventLogStorage,
    PooledRunStorage,
)

KEY = dg.AssetKey("thing")


@dg.asset(key=KEY, check_specs=[dg.AssetCheckSpec("fine", asset=KEY)])
def thing() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
    return dg.MaterializeResult(
        metadata={"rows": 3}, check_results=[dg.AssetCheckResult(check_name="fine", passed=True)]
    )


def _instance(folder: Path, *, pooled: bool) -> dg.DagsterInstance:
    module, kind = (
        ("ledgerguard_pipeline.defs.instance.sqlite_storage", "PooledSqliteStorage")
        if pooled
        else ("dagster._core.storage.sqlite_storage", "DagsterSqliteStorage")
    )
    folder.mkdir(exist_ok=True)
    overrides = {
        "storage": {"custom": {"module": module, "class": kind, "config": {
            "base_dir": str(folder / "store")}}},
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }  # fmt: skip
    return dg.DagsterInstance.local_temp(str(folder), overrides=overrides)


@pytest.mark.parametrize("writer_pooled", [True, False])
def test_what_one_storage_writes_the_other_reads(tmp_path: Path, writer_pooled: bool) -> None:
    with _instance(tmp_path / "home", pooled=writer_pooled) as writer:
        result = dg.materialize([thing], instance=writer)
        written = [entry.message for entry in writer.all_logs(result.run_id)]
    with _instance(tmp_path / "home", pooled=not writer_pooled) as reader:
        pooled = isinstance(reader.event_log_storage, PooledEventLogStorage)
        assert pooled is not writer_pooled
        run = reader.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert [entry.message for entry in reader.all_logs(result.run_id)] == written
        event = reader.get_latest_materialization_event(KEY)
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["rows"].value == 3
        history = reader.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(KEY, "fine"), limit=5
        )
        assert [record.status.value for record in history] == ["SUCCEEDED"]


def test_a_second_run_sees_the_materialization_of_the_first_at_once(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        first = dg.materialize([thing], instance=instance)
        assert instance.fetch_materializations(KEY, limit=1).records[0].run_id == first.run_id
        second = dg.materialize([thing], instance=instance)
        assert instance.fetch_materializations(KEY, limit=1).records[0].run_id == second.run_id


def test_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(10):
                    instance.report_runless_asset_event(dg.AssetMaterialization(KEY))
            except BaseException as error:  # handed to the test below
                failures.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert failures == []
        assert len(instance.fetch_materializations(KEY, limit=100).records) == 40


def test_engines_of_old_runs_are_let_go(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, PooledEventLogStorage)
        for _ in range(12):
            run = instance.create_run_for_job(_empty_job())
            instance.report_engine_event("hello", run)
        assert len(storage._engines) <= 8
        oldest = instance.get_runs()[-1]
        messages = [entry.message for entry in instance.all_logs(oldest.run_id)]
        assert any("hello" in message for message in messages)


def test_one_connection_stays_open_however_many_asked_at_once(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        storage = instance.run_storage
        assert isinstance(storage, PooledRunStorage)
        with ExitStack() as stack:
            opened = [stack.enter_context(storage.connect()) for _ in range(4)]
            assert len({id(each.connection.dbapi_connection) for each in opened}) == 4
        kept = storage._pool.pool
        assert isinstance(kept, QueuePool)
        assert (kept.checkedin(), kept.checkedout()) == (1, 0)


def test_a_kept_connection_keeps_few_pages(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        runs, events = instance.run_storage, instance.event_log_storage
        assert isinstance(runs, PooledRunStorage)
        assert isinstance(events, PooledEventLogStorage)
        for opened in (runs.connect(), events.index_connection(), events.run_connection("a-run")):
            with opened as connection:
                (kept,) = connection.exec_driver_sql("PRAGMA cache_size").one()
                assert kept == -CACHE_KIB


def test_a_wiped_storage_starts_anew(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", pooled=True) as instance:
        dg.materialize([thing], instance=instance)
        instance.wipe()
        assert instance.get_runs() == []
        result = dg.materialize([thing], instance=instance)
        assert instance.all_logs(result.run_id)


def _empty_job() -> dg.JobDefinition:
    @dg.job
    def empty() -> None: ...

    return empty
