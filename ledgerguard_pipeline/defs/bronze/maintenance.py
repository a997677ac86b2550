"""The daily job that keeps Bronze in order.

It is no asset, because it changes no data. The metadata of its step says what it did.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg

from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.keys import MAINTENANCE_JOB
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.errors import LedgerGuardError

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.maintenance.upkeep import MaintenanceReport

Maintain = Callable[[], "MaintenanceReport | None"]
"""Does the work; None where nothing was ever loaded."""


def maintain_bronze() -> "MaintenanceReport | None":
    """The upkeep of the installation's own store."""
    from ledgerguard_pipeline.bronze.open_store import open_bronze

    store = open_bronze(current_settings())
    return store.maintain() if store.exists() else None


def build_maintenance_job(maintain: Maintain) -> dg.JobDefinition:
    """One step; a failed one changes nothing for loads, which go on."""

    @dg.op(
        name=current_site().name("keep_bronze_in_order"),
        description="DuckLake: rows of the catalog become files, small files large ones; old "
        "snapshots and files nobody needs go. DuckDB file: a checkpoint.",
        out=dg.Out(dg.Nothing),
    )
    @at_site
    def keep_bronze_in_order(context: dg.OpExecutionContext) -> None:
        try:
            upkeep = maintain()
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        if upkeep is None:
            context.log.info("Nothing was loaded yet, so there is nothing to do.")
            return
        context.log.info(str(upkeep))
        figures = {
            name: dg.MetadataValue.int(value)
            for name, value in asdict(upkeep).items()
            if not isinstance(value, bool)
        }
        context.add_output_metadata({"done": dg.MetadataValue.text(str(upkeep)), **figures})

    @dg.job(
        name=current_site().name(MAINTENANCE_JOB),
        description="Keep Bronze small and fast; safe while loads run.",
        executor_def=dg.in_process_executor,
    )
    def bronze_maintenance() -> None:
        keep_bronze_in_order()

    return bronze_maintenance


def build_maintenance_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Daily, after the nightly reconcile."""
    return dg.ScheduleDefinition(
        name=current_site().name("bronze_maintenance_daily"),
        job=job,
        cron_schedule="11 5 * * *",
        execution_timezone="UTC",
        default_status=current_site().schedule_status,
        description="Merge small files, expire old snapshots, delete unused files.",
    )
