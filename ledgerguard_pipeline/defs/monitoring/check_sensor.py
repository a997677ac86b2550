"""Keeps what Dagster shows of each check in line with every company's own result.

A load reports its checks over all companies. Two loads at the same moment may still report in the
wrong order, a run may die before it reports, a company may be disconnected: this sensor compares
the last evaluation of every check with the results that are kept, and reports where they differ.
It costs a few looks at the control plane and at Dagster's storage, whatever the number of
companies, opens no Bronze and calls nobody.

The checks of the connections are reported where they differ, or were never evaluated, as long as
companies are few; of many they are left to their hourly job.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
import structlog
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from ledgerguard_pipeline.control.company_state.check_faults import CheckFault
from ledgerguard_pipeline.defs.bronze.checks import (
    CheckGroup,
    KnownChecks,
    ReportedCheck,
    check_names,
)
from ledgerguard_pipeline.defs.bronze.silver_results import reported
from ledgerguard_pipeline.defs.keys import asset_key, connection_key, derived_from, silver_key
from ledgerguard_pipeline.defs.monitoring.health_checks import ListStatuses, judged
from ledgerguard_pipeline.defs.monitoring.health_metadata import companies_table
from ledgerguard_pipeline.defs.run_context import OpenControl, current_settings
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import DerivedEntity, EntityType
from ledgerguard_pipeline.errors import ControlError
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.health.history import note_health
from ledgerguard_pipeline.health.rules import HealthState

TICK_SECONDS = 60
_log = structlog.get_logger(__name__)


def build_check_sensor(
    entities: Sequence[EntityType],
    opened: OpenControl,
    typed: Sequence[EntityType] = (),
    statuses: ListStatuses | None = None,
    groups: Sequence[CheckGroup] = (),
) -> dg.SensorDefinition:
    """The sensor; it launches nothing.

    ``typed`` are the entities that have Silver assets, ``statuses`` the companies whose
    connections are judged, ``groups`` the checks of other assets.
    """

    @dg.sensor(
        name=current_site().name("check_outcomes"),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=current_site().sensor_status,
        description="A check is green only while no company fails it: reports the result over "
        "all companies where the last run's differs. Notes each company's health of the day.",
    )
    @at_site
    def check_outcomes(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with opened() as control:
            faults = control.check_faults.read()
            few = len(control.companies.list()) <= current_settings().ledgerguard_sweep_above
        corrected = correct(context.instance, entities, faults, typed)
        for group in groups:
            corrected += correct_group(context.instance, opened, group)
        if few and statuses is not None:
            corrected += correct_connections(context.instance, statuses())
        _note_health(opened)
        return dg.SkipReason(
            f"Reported: {', '.join(corrected)}." if corrected else "Every check shows its result."
        )

    return check_outcomes


def _note_health(opened: OpenControl) -> None:
    """For the page's history; that it cannot be kept is no reason to leave a check wrong."""
    try:
        with opened() as control:
            note_health(control, current_settings())
    except ControlError as error:
        _log.warning("health_not_noted", message=error.message)


def correct(
    instance: dg.DagsterInstance,
    entities: Sequence[EntityType],
    faults: Sequence[CheckFault],
    typed: Sequence[EntityType] = (),
) -> list[str]:
    """Report the checks whose last evaluation says something else; their names.

    A check that was never evaluated is left alone: nothing was loaded yet.
    """
    wanted = {**_wanted(entities, faults), **_of_silver(typed, faults)}
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(wanted))
    corrected = []
    for key, check in wanted.items():
        record = last.get(key)
        if record is None or _agrees(instance, record, check):
            continue
        instance.report_runless_asset_event(check.evaluation(key.asset_key))
        corrected.append(f"{key.asset_key.path[-1]} {key.name}")
    return corrected


def correct_connections(instance: dg.DagsterInstance, known: Sequence[CompanyStatus]) -> list[str]:
    """Report the checks of the connections that show something else, or nothing yet; their names.

    While a company is loaded for the first time nothing is: it is neither well nor ill.
    """
    if not known or any(each.health.state is HealthState.LOADING for each in known):
        return []
    found = {
        dg.AssetCheckKey(connection_key(), str(each.check_name)): each for each in judged(known)
    }
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(found))
    wrong = {
        key: each
        for key, each in found.items()
        if (record := last.get(key)) is None or not _agrees(instance, record, each)
    }
    if wrong:
        instance.report_runless_asset_event(companies_table(known, current_settings()))
    return _report(instance, wrong)


def correct_group(
    instance: dg.DagsterInstance, opened: OpenControl, group: CheckGroup
) -> list[str]:
    """Report the checks of a group that show something else than they should; their names.

    One that was never evaluated is left alone: its asset was not materialized yet.
    """
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(group.keys()))
    if not last:
        return []
    with opened() as control:
        found = {each.check_name: each for each in group.judge(control)}
    wrong = {
        key: found[key.name]
        for key, record in last.items()
        if not _agrees(instance, record, found[key.name])
    }
    return _report(instance, wrong)


def _report(
    instance: dg.DagsterInstance, wrong: Mapping[dg.AssetCheckKey, dg.AssetCheckResult]
) -> list[str]:
    for key, each in wrong.items():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=each.passed,
                severity=each.severity,
                description=each.description,
                metadata=each.metadata,
            )
        )
    return [f"{key.asset_key.path[-1]} {key.name}" for key in wrong]


def _wanted(
    entities: Sequence[EntityType], faults: Sequence[CheckFault]
) -> Mapping[dg.AssetCheckKey, ReportedCheck]:
    wanted: dict[dg.AssetCheckKey, ReportedCheck] = {}
    for entity in entities:
        every: list[EntityType | DerivedEntity] = [entity, *derived_from(entity)]
        for each in every:
            company_status = KnownChecks.of(each.name, faults)
            for check in check_names(derived=isinstance(each, DerivedEntity)):
                wanted[dg.AssetCheckKey(asset_key(each), check)] = company_status.reported(check)
    return wanted


def _of_silver(
    entities: Sequence[EntityType], faults: Sequence[CheckFault]
) -> Mapping[dg.AssetCheckKey, ReportedCheck]:
    return {
        dg.AssetCheckKey(silver_key(entity), each.check): each
        for entity in entities
        for each in reported(entity, faults)
    }


def _agrees(
    instance: dg.DagsterInstance,
    record: AssetCheckExecutionRecord,
    reported: ReportedCheck | dg.AssetCheckResult,
) -> bool:
    if record.status is AssetCheckExecutionRecordStatus.PLANNED:
        # Its run reports when it comes to it; one that ended without a report never will.
        run = instance.get_run_by_id(record.run_id)
        return run is not None and not run.is_finished
    passed = record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
    if passed or reported.passed:
        return passed == reported.passed
    evaluation = record.evaluation
    return evaluation is not None and evaluation.severity is reported.severity
