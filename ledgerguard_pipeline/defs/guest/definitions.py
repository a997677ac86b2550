"""QuickBooks as a part of somebody else's Dagster project."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, get_args

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.config.settings import Cadence
from ledgerguard_pipeline.defs.attachments.files import (
    build_files_asset,
    build_files_job,
    build_files_schedule,
    files_check,
)
from ledgerguard_pipeline.defs.bronze.maintenance import (
    build_maintenance_job,
    build_maintenance_schedule,
    maintain_bronze,
)
from ledgerguard_pipeline.defs.connected_companies import connected_companies, left_out_now
from ledgerguard_pipeline.defs.fleet.due_sweeps import SweepTimes
from ledgerguard_pipeline.defs.fleet.shards import current_policy
from ledgerguard_pipeline.defs.guest.bronze_step import build_bronze_step
from ledgerguard_pipeline.defs.guest.quickbooks_bronze import QuickBooksBronze, settings_of
from ledgerguard_pipeline.defs.jobs import Jobs, build_jobs
from ledgerguard_pipeline.defs.monitoring.check_sensor import build_check_sensor
from ledgerguard_pipeline.defs.monitoring.health_checks import (
    build_connection_asset,
    build_health_checks,
    build_health_job,
    build_health_schedule,
    known_statuses,
)
from ledgerguard_pipeline.defs.monitoring.lost_runs_sensor import build_lost_runs_sensor
from ledgerguard_pipeline.defs.monitoring.token_keepalive import (
    build_keep_alive_job,
    build_keep_alive_schedule,
    keep_companies_alive,
)
from ledgerguard_pipeline.defs.partitions import partitions_of
from ledgerguard_pipeline.defs.reports.assets import build_report_assets, build_reports_job
from ledgerguard_pipeline.defs.run_context import open_control
from ledgerguard_pipeline.defs.scheduling.first_loads import FirstLoads
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import build_new_company_sensor
from ledgerguard_pipeline.defs.scheduling.schedules import (
    build_nightly_schedules,
    build_schedules,
)
from ledgerguard_pipeline.defs.scheduling.sync_request_sensor import build_sync_request_sensor
from ledgerguard_pipeline.defs.scheduling.webhook_sensor import build_webhook_sensors
from ledgerguard_pipeline.defs.silver.assets import build_silver_assets, build_silver_job
from ledgerguard_pipeline.defs.site import (
    OWNERS,
    PREFIX,
    QuickBooksTranslator,
    Site,
    entered,
)
from ledgerguard_pipeline.defs.tieout.checks import ledger_checks
from ledgerguard_pipeline.defs.tieout.journal import build_journal_asset, build_journal_job
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.health.entity_status import SCHEDULE_MINUTES
from ledgerguard_pipeline.values import parse_realm

FIRST_DAY = date(2026, 1, 1)


def quickbooks_definitions(
    quickbooks: QuickBooksBronze | None = None,
    *,
    companies: Sequence[str] | str | None = None,
    entities: Sequence[str] | str | None = None,
    prefix: str = PREFIX,
    key_prefix: Sequence[str] | str | None = None,
    group: str | None = None,
    owners: Sequence[str] | str = OWNERS,
    tags: Mapping[str, str] | None = None,
    automation_condition: "dg.AutomationCondition[Any] | None" = None,
    freshness_policy: dg.FreshnessPolicy | None = None,
    translator: QuickBooksTranslator | None = None,
    silver: bool = True,
    reports: bool = False,
    journal: bool = False,
    attachments: bool = False,
    schedules: bool = True,
    running: bool = True,
    cadence: Cadence = "monthly",
    start_date: date | str = FIRST_DAY,
) -> dg.Definitions:
    """Assets, checks, jobs, schedules, sensors and the resource, for ``Definitions.merge``.

    Nothing is read: no network, no file, no variable. There is no executor among them, so the
    host's own jobs keep theirs. Where several texts are taken, one alone may stand for a list of one.

    Args:
        quickbooks: the installation; that of the environment if left out.
        companies: realm ids; every connected company if left out.
        entities: Intuit's names of the entity types, such as ``Invoice``; all if left out.
        prefix: of the names of jobs, schedules, sensors, groups and the resource, which is called
            just so. Several installations side by side have different ones.
        key_prefix: of the asset keys; ``["qbo"]``, or ``[prefix]`` with a prefix of your own.
        group: one group for all assets, instead of one for each part of the books.
        owners: of all assets, as e-mail addresses or ``team:name``.
        tags: more tags of all assets.
        automation_condition: of the Bronze assets; Silver is written with them.
        freshness_policy: of the Bronze and Silver assets, instead of what the schedules promise.
        translator: renames and describes single assets.
        silver: whether typed tables are kept.
        reports: whether Intuit's reports are assets.
        journal: whether the journal is, and is compared with Intuit's trial balance every night.
        attachments: whether attached files are downloaded and an asset; without, they are as the
            setting ``LEDGERGUARD_ATTACHMENTS`` says.
        schedules: whether there are schedules and sensors at all.
        running: whether they run without being switched on.
        cadence: length of a partition window.
        start_date: the day from which there are partition windows.

    Raises:
        BadInputError: no installation, an unknown entity type, no realm id, a prefix that is no
            name, or a cadence or start date that is none.
        ConfigurationError: the start date is in the future.
    """
    if not prefix.isidentifier():
        raise BadInputError(f"prefix must be a name like quickbooks_eu, not {prefix!r}.")
    if cadence not in get_args(Cadence):
        raise BadInputError(f"cadence is one of {', '.join(get_args(Cadence))}, not {cadence!r}.")
    resource = quickbooks or QuickBooksBronze()
    given: object = resource
    if not isinstance(given, QuickBooksBronze):
        raise BadInputError(
            f"The installation is a QuickBooksBronze, not {type(given).__name__}. Bind what is known "
            "only later to dg.EnvVar; sensors and schedules have no run configuration."
        )
    first = _day(start_date)
    kept = entity_types(entities)
    chosen: dict[str, object] = {
        "ledgerguard_entities": tuple(entity.name for entity in kept),
        "ledgerguard_silver": "on" if silver else "off",
        "ledgerguard_partition_cadence": cadence,
        "ledgerguard_start_date": first,
        **({"ledgerguard_attachments": "files"} if attachments else {}),
    }
    site = Site(
        key_prefix=_listed(key_prefix or ("qbo" if prefix == PREFIX else prefix)),
        prefix=prefix,
        guest=True,
        group=group,
        owners=_listed(owners),
        tags=tags or {},
        automation_condition=automation_condition,
        freshness_policy=freshness_policy,
        companies=_chosen(companies),
        settings=settings_of(resource, chosen),
        sweep_minutes=SCHEDULE_MINUTES if schedules else None,
        translator=translator or QuickBooksTranslator(),
        running=running,
    )
    with entered(site):
        cells = partitions_of(cadence, first)
        optional = Extras(reports, journal, attachments and _has_files(kept))
        found = _assets(kept, cells, optional, silver=silver)
        defs = [found, dg.Definitions(resources={site.resource_key: resource})]
        if schedules:
            typed = kept if silver else ()
            defs.append(_automation(kept, cells, typed, build_jobs(kept), optional))
        return dg.Definitions.merge(*defs)


def _listed(texts: Sequence[str] | str) -> tuple[str, ...]:
    """One text is a list of one, as in Dagster's own ``key_prefix``, and not its letters."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _chosen(companies: Sequence[str] | str | None) -> frozenset[str] | None:
    if companies is None:
        return None
    if not companies:
        raise BadInputError("No company was named; leave companies out to take all.")
    return frozenset(map(parse_realm, _listed(companies)))


def _day(start: date | str) -> date:
    try:
        found = date.fromisoformat(start) if isinstance(start, str) else start
    except ValueError:
        raise BadInputError(f"start_date is {start!r}; write a day as 2026-01-31.") from None
    return found.date() if isinstance(found, datetime) else found


class Extras(NamedTuple):
    """What is an asset only if asked for."""

    reports: bool
    journal: bool
    attachments: bool


def _has_files(kept: Sequence[EntityType]) -> bool:
    return any(each.name == "Attachable" for each in kept)


def _assets(
    kept: Sequence[EntityType],
    cells: dg.MultiPartitionsDefinition,
    optional: Extras,
    *,
    silver: bool,
) -> dg.Definitions:
    return dg.Definitions(
        assets=[
            build_connection_asset(),
            build_bronze_step(kept, cells),
            *(build_silver_assets(kept) if silver else ()),
            *(build_report_assets() if optional.reports else ()),
            *([build_journal_asset()] if optional.journal else ()),
            *([build_files_asset()] if optional.attachments else ()),
        ],
        jobs=[build_reports_job()] if optional.reports else [],
    )


def _automation(
    kept: Sequence[EntityType],
    cells: dg.MultiPartitionsDefinition,
    typed: Sequence[EntityType],
    jobs: Jobs,
    optional: Extras,
) -> dg.Definitions:
    policy = current_policy
    health = build_health_checks(known_statuses)
    health_job = build_health_job(health)
    keep_alive, maintenance = (
        build_keep_alive_job(keep_companies_alive),
        build_maintenance_job(maintain_bronze),
    )
    silver_jobs = build_silver_job(typed)
    journal_jobs: list[AssetJob] = [build_journal_job()] if optional.journal else []
    files_jobs: list[AssetJob] = [build_files_job()] if optional.attachments else []
    return dg.Definitions(
        asset_checks=[health],
        jobs=[
            *jobs.listed(), health_job, keep_alive, maintenance, *silver_jobs, *journal_jobs,
            *files_jobs,
        ],
        schedules=[
            *build_schedules(jobs, cells, connected_companies, left_out_now, policy),
            *build_nightly_schedules(
                silver_jobs, journal_jobs, connected_companies, left_out_now, policy
            ),
            *(
                build_files_schedule(job, connected_companies, left_out_now, policy)
                for job in files_jobs
            ),
            build_health_schedule(health_job),
            build_keep_alive_schedule(keep_alive),
            build_maintenance_schedule(maintenance),
        ],
        sensors=[
            build_new_company_sensor(
                jobs,
                cells,
                connected_companies,
                policy,
                SweepTimes(kept, policy, left_out_now),
                first_loads=FirstLoads(kept, open_control),
            ),
            build_sync_request_sensor(jobs, cells, kept, connected_companies, open_control),
            build_lost_runs_sensor(open_control),
            build_check_sensor(
                kept, open_control, typed, known_statuses,
                [
                    *([ledger_checks()] if optional.journal else ()),
                    *([files_check()] if optional.attachments else ()),
                ],
            ),
            # The host's daemon may have one thread for all sensors: this one does not wait.
            *build_webhook_sensors(
                jobs, cells, kept, connected_companies, open_control, policy
            ),
        ],
    )  # fmt: skip
