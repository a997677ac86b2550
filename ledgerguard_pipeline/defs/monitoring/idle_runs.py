"""Runs that found nothing new, deleted once the next one like them has said the same.

A run of all that change data capture covers leaves some 840 events, 5 MB in SQLite, and each company
has 96 such runs a day. That everything was read and nothing had changed is all they say, and the
newest one says it of the same assets, checks and cell. Runs that brought something stay: rows of
Bronze name them. So does the last one of each cell, which the partition grid shows.

Decision 112 in docs/decisions.md.
"""

from collections.abc import Hashable

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ledgerguard_pipeline.defs.keys import FOUND_NOTHING, IDLE_TAG, REALM_TAG, SWEEP_TAG
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG, at_site, current_site

LAST_OF_ITS_CELL = "last of its partition"
"""Value of ``ledgerguard/idle`` once a later partition is the current one: the run stays."""
MOST_AT_ONCE = 200
"""Deleted in one tick, some 20 ms each: a sensor has a minute."""


def build_idle_runs_sensor() -> dg.SensorDefinition:
    """The sensor; it launches nothing itself."""

    @dg.sensor(
        name=current_site().name("idle_runs"),
        minimum_interval_seconds=600,
        default_status=current_site().sensor_status,
        description="Deletes runs that found nothing new, once a later one found nothing new either.",
    )
    @at_site
    def idle_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        deleted = delete_superseded(context.instance)
        if deleted:
            context.log.info("Deleted, as a later run says the same: %s.", ", ".join(deleted))
        return dg.SkipReason(
            f"{len(deleted)} runs that found nothing new were deleted; the newest of each kind stays."
        )

    return idle_runs


def delete_superseded(instance: dg.DagsterInstance) -> list[str]:
    """Delete runs of this installation after which another one of their kind found nothing new.

    Returns:
        The ids of the runs deleted, the newest first.
    """
    records = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], tags={IDLE_TAG: FOUND_NOTHING})
    )
    mine = current_site().run_tags.get(INSTALLATION_TAG)
    series_met: set[Hashable] = set()
    cells_met: set[Hashable] = set()
    deleted: list[str] = []
    for record in records:  # the newest first
        run = record.dagster_run
        if run.tags.get(INSTALLATION_TAG) != mine:
            continue
        series = _series(run)
        cell = series, run.tags.get(PARTITION_NAME_TAG)
        if cell in cells_met:
            _delete(instance, run.run_id)
            deleted.append(run.run_id)
        elif series in series_met:
            instance.add_run_tags(run.run_id, {IDLE_TAG: LAST_OF_ITS_CELL})
        series_met.add(series)
        cells_met.add(cell)
        if len(deleted) == MOST_AT_ONCE:
            break
    return deleted


def _series(run: dg.DagsterRun) -> Hashable:
    """What runs have in common that say the same things, each of its own partition."""
    return (
        run.job_name,
        run.tags.get(REALM_TAG),
        run.tags.get(SWEEP_TAG),
        frozenset(run.asset_selection or ()),
        frozenset(run.asset_check_selection or ()),
    )


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    """With its events, what it printed, and the results of its checks, which Dagster leaves."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    instance.delete_run(run_id)
    if isinstance(storage, SqlEventLogStorage) and storage.supports_asset_checks:
        with storage.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.delete().where(
                    AssetCheckExecutionsTable.c.run_id == run_id
                )
            )
