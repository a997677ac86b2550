"""Starting runs as the UI and the daemon do, but in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from sqlalchemy import update

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import ALL_JOB, asset_key
from ledgerguard_pipeline.defs.partitions import REALM, WINDOW
from ledgerguard_pipeline.entities import entity_type


def key_of(name: str) -> dg.AssetKey:
    if name == "Expense":
        return dg.AssetKey(["qbo", "bronze", "expense"])
    return asset_key(entity_type(name))


def cell(realm_id: str, window: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({REALM: realm_id, WINDOW: window})


def by_company(
    metadata: Mapping[str, dg.MetadataValue], name: str = "companies"
) -> dict[str, Mapping[str, object]]:
    """The rows of a check's table, by company."""
    value = metadata[name]
    assert isinstance(value, dg.TableMetadataValue)
    return {str(record.data["realm"]): record.data for record in value.records}


@dataclass(frozen=True, slots=True, repr=False)
class Ran:
    """A finished run."""

    run: dg.DagsterRun
    instance: dg.DagsterInstance

    @property
    def success(self) -> bool:
        return self.run.status is dg.DagsterRunStatus.SUCCESS

    def __repr__(self) -> str:
        """What went wrong, for a failing assertion."""
        wrong = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        reported = self.instance.all_logs(self.run.run_id, of_type=wrong)
        events = [entry.get_dagster_event() for entry in reported]
        return f"{self.run.status}: " + "; ".join(
            f"{event.message} {event.event_specific_data}" for event in events
        )

    def materializations(self) -> dict[tuple[str, str], Mapping[str, dg.MetadataValue]]:
        """Metadata by (table, cell) of all of Bronze that this run materialized."""
        logs = self.instance.all_logs(
            self.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        found = {}
        for entry in logs:
            event = entry.get_dagster_event().step_materialization_data.materialization
            if event.asset_key.path[1] != "silver":
                found[event.asset_key.path[-1], str(event.partition)] = event.metadata
        return found

    def checks(self, layer: str = "bronze") -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
        """Check evaluations of a layer by (table, check)."""
        logs = self.instance.all_logs(
            self.run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        found = {}
        for entry in logs:
            evaluation = entry.get_dagster_event().asset_check_evaluation_data
            if evaluation.asset_key.path[1] == layer:
                found[evaluation.asset_key.path[-1], evaluation.check_name] = evaluation
        return found

    def failures(self) -> dict[str, tuple[str, Mapping[str, dg.MetadataValue]]]:
        """Description and metadata of the failed steps, by table."""
        logs = self.instance.all_logs(self.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        found = {}
        for entry in logs:
            event = entry.get_dagster_event()
            failure = event.step_failure_data.user_failure_data
            assert failure is not None, event.step_failure_data
            assert event.step_key is not None
            table = event.step_key.removeprefix("qbo__bronze__")
            found[table] = (failure.description or "", failure.metadata)
        return found


def run_cells(
    instance: dg.DagsterInstance,
    settings: Settings,
    first: str,
    last: str | None = None,
    *,
    entities: Sequence[str] | None = None,
    config: Mapping[str, object] | None = None,
    job_name: str = ALL_JOB,
    more_tags: Mapping[str, str] | None = None,
    asked_at: datetime | None = None,
    repeats: Ran | None = None,
) -> Ran:
    """Run one cell, or a range of cells in a single run as a backfill does.

    The run was asked for just now, or at ``asked_at``; it may repeat another one.
    """
    job = build_definitions(settings).resolve_job_def(job_name)
    tags = dict(
        job.get_tags_for_partition_key(first, selected_asset_keys=None)
        if last is None
        else {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    ) | dict(more_tags or {})
    run_config: dict[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if config is not None:
        run_config["resources"] = {"quickbooks": {"config": dict(config)}}
    selection = None if entities is None else frozenset(map(key_of, entities))
    again = None if repeats is None else repeats.run.run_id
    run = instance.create_run_for_job(
        job_def=job, tags=tags, asset_selection=selection, run_config=run_config,
        parent_run_id=again, root_run_id=again,
    )  # fmt: skip
    if asked_at is not None:
        storage = instance.run_storage
        assert isinstance(storage, SqlRunStorage)
        at = {"create_timestamp": asked_at.replace(tzinfo=None)}
        with storage.connect() as connection:
            connection.execute(update(RunsTable).where(RunsTable.c.run_id == run.run_id).values(at))
    execute_run(InMemoryJob(job), run, instance)
    finished = instance.get_run_by_id(run.run_id)
    assert finished is not None
    return Ran(finished, instance)
