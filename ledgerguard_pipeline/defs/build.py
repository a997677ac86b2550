"""All definitions of one installation."""

from dataclasses import replace
from functools import partial

import dagster as dg

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.attachments.files import (
    build_files_asset,
    build_files_job,
    build_files_schedule,
    files_check,
)
from ledgerguard_pipeline.defs.bronze.assets import build_assets
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB, database_of
from ledgerguard_pipeline.defs.bronze.maintenance import (
    build_maintenance_job,
    build_maintenance_schedule,
    maintain_bronze,
)
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import QuickBooks
from ledgerguard_pipeline.defs.connected_companies import connected_companies, left_out_now
from ledgerguard_pipeline.defs.fleet.due_sweeps import SweepTimes
from ledgerguard_pipeline.defs.fleet.shards import SweepPolicy
from ledgerguard_pipeline.defs.jobs import build_jobs, build_sync_job
from ledgerguard_pipeline.defs.monitoring.alert_sensors import build_alert_sensors
from ledgerguard_pipeline.defs.monitoring.check_sensor import build_check_sensor
from ledgerguard_pipeline.defs.monitoring.health_checks import (
    build_connection_asset,
    build_health_checks,
    build_health_job,
    build_health_schedule,
    known_statuses,
)
from ledgerguard_pipeline.defs.monitoring.idle_runs import build_idle_runs_sensor
from ledgerguard_pipeline.defs.monitoring.lost_runs_sensor import build_lost_runs_sensor
from ledgerguard_pipeline.defs.monitoring.token_keepalive import (
    build_keep_alive_job,
    build_keep_alive_schedule,
    keep_companies_alive,
)
from ledgerguard_pipeline.defs.own_location import OwnLocation
from ledgerguard_pipeline.defs.partitions import cell_partitions
from ledgerguard_pipeline.defs.reports.assets import build_report_assets, build_reports_job
from ledgerguard_pipeline.defs.run_context import open_control
from ledgerguard_pipeline.defs.scheduling.event_wait import await_due
from ledgerguard_pipeline.defs.scheduling.first_loads import FirstLoads
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import build_new_company_sensor
from ledgerguard_pipeline.defs.scheduling.schedules import (
    build_nightly_schedules,
    build_schedules,
)
from ledgerguard_pipeline.defs.scheduling.sync_request_sensor import build_sync_request_sensor
from ledgerguard_pipeline.defs.scheduling.webhook_sensor import build_webhook_sensors
from ledgerguard_pipeline.defs.silver.assets import build_silver_assets, build_silver_job
from ledgerguard_pipeline.defs.site import Site, current_site, entered
from ledgerguard_pipeline.defs.tieout.checks import ledger_checks
from ledgerguard_pipeline.defs.tieout.journal import build_journal_asset, build_journal_job


def build_run_definitions(settings: Settings) -> dg.Definitions:
    """What a run of the sync job in this process needs: its assets, the job, their resources."""
    entities = settings.kept_entities
    # Only the location that Dagster's daemon loads promises anything.
    with entered(replace(own_site(settings), sweep_minutes=None)):
        return dg.Definitions(
            assets=build_assets(entities, cell_partitions(settings)),
            jobs=[build_sync_job(entities)],
            resources=_resources(settings),
            executor=dg.in_process_executor,
        )


def own_site(settings: Settings) -> Site:
    """An installation that is a code location of its own, as its settings want it shown."""
    return Site(
        owners=settings.ledgerguard_dagster_owners,
        group=settings.ledgerguard_dagster_group,
        sweep_minutes=settings.ledgerguard_sweep_minutes,
    )


def build_definitions(settings: Settings) -> dg.Definitions:
    """Assets, jobs, schedules and sensors for the entities these settings keep.

    Only settings are read: no network, no database, no Bronze file. So definitions load with no
    credentials set and with any company broken.
    """
    with entered(own_site(settings)):
        return _definitions(settings)


def _definitions(settings: Settings) -> dg.Definitions:
    entities = settings.kept_entities
    cells = cell_partitions(settings)
    jobs = build_jobs(entities)
    policy = partial(SweepPolicy.of, settings)
    health = build_health_checks(known_statuses)
    health_job = build_health_job(health)
    health_schedule = build_health_schedule(health_job)
    keep_alive_job = build_keep_alive_job(keep_companies_alive)
    maintenance_job = build_maintenance_job(maintain_bronze)
    journal_job = build_journal_job()
    typed = entities if settings.ledgerguard_silver == "on" else ()
    silver_job = build_silver_job(typed)
    connection = build_connection_asset()
    files = _keeps_files(settings)
    files_job = [build_files_job()] if files else []
    return OwnLocation(
        assets=[
            connection,
            *build_assets(entities, cells),
            *build_silver_assets(typed),
            *build_report_assets(),
            build_journal_asset(),
            *([build_files_asset()] if files else ()),
        ],
        asset_checks=[health],
        jobs=[
            *jobs.listed(),
            build_reports_job(),
            journal_job,
            health_job,
            keep_alive_job,
            maintenance_job,
            *silver_job,
            *files_job,
        ],
        schedules=[
            *(
                build_files_schedule(job, connected_companies, left_out_now, policy)
                for job in files_job
            ),
            *build_schedules(jobs, cells, connected_companies, left_out_now, policy),
            *build_nightly_schedules(
                silver_job, [journal_job], connected_companies, left_out_now, policy
            ),
            health_schedule,
            build_keep_alive_schedule(keep_alive_job),
            build_maintenance_schedule(maintenance_job),
        ],
        sensors=[
            build_new_company_sensor(
                jobs,
                cells,
                connected_companies,
                policy,
                SweepTimes(entities, policy, left_out_now),
                first_loads=FirstLoads(entities, open_control),
            ),
            build_sync_request_sensor(jobs, cells, entities, connected_companies, open_control),
            build_lost_runs_sensor(open_control),
            build_idle_runs_sensor(),
            build_check_sensor(
                entities,
                open_control,
                typed,
                known_statuses,
                [ledger_checks(), *([files_check()] if files else ())],
            ),
            *build_alert_sensors(),
            *build_webhook_sensors(
                jobs, cells, entities, connected_companies, open_control, policy, look=await_due
            ),
        ],
        resources=_resources(settings),
    )


def _keeps_files(settings: Settings) -> bool:
    """Whether attached files are downloaded, and there is the type they belong to."""
    kept = any(each.name == "Attachable" for each in settings.kept_entities)
    return kept and settings.ledgerguard_attachments == "files"


def _resources(settings: Settings) -> dict[str, object]:
    site = current_site()
    return {
        site.duckdb_key: BronzeDuckDB(database=database_of(settings)),
        site.resource_key: QuickBooks(),
    }
