"""The daily job that keeps the grants of idle companies alive.

No asset: it moves no data. The outcome of every company is in the metadata of its step and, as an
observation, on the asset ``qbo/connection``.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerguard_pipeline.auth.confirmation import question_due
from ledgerguard_pipeline.auth.keepalive_result import IDLE_DAYS, KeepAliveOutcome, KeepAliveResult
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.keys import KEEP_ALIVE_JOB, connection_key
from ledgerguard_pipeline.defs.run_context import current_settings, open_control
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.errors import LedgerGuardError

KeepAlive = Callable[[int], Sequence[KeepAliveResult]]
"""Does the work; takes the number of idle days."""

_HOUR, _MINUTE = 4, 23
"""When idle companies are refreshed (UTC)."""


class IdleDays(dg.Config):
    """How the job is run."""

    idle_days: int = IDLE_DAYS
    """Companies that were not refreshed for so many days are; 0 means every one but today's."""


def keep_companies_alive(idle_days: int) -> Sequence[KeepAliveResult]:
    """The installation's own keep-alive."""
    from ledgerguard_pipeline.auth.keepalive import keep_alive
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(current_settings()) as installation:
        companies = installation.control.companies.list()
        if all(company.status is ConnectionStatus.DISCONNECTED for company in companies):
            return []  # without credentials too
        return keep_alive(installation.control, installation.token_provider, idle_days=idle_days)


def build_keep_alive_job(outcome: KeepAlive) -> dg.JobDefinition:
    """One step for all companies; it fails after the last one if any has bad news."""

    @dg.op(
        name=current_site().name("refresh_idle_companies"),
        description="Refresh tokens that nobody has used for days; one outcome per company.",
        out=dg.Out(dg.Nothing),
    )
    @at_site
    def refresh_idle_companies(context: dg.OpExecutionContext, config: IdleDays) -> None:
        try:
            outcomes = outcome(config.idle_days)
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        metadata = _metadata(outcomes)
        context.log_event(dg.AssetObservation(asset_key=connection_key(), metadata=metadata))
        bad = [each for each in outcomes if each.outcome.bad]
        if bad:
            reported = "; ".join(f"{each.name} ({each.realm_id}): {each.detail}" for each in bad)
            raise dg.Failure(description=reported, metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    @dg.job(
        name=current_site().name(KEEP_ALIVE_JOB),
        description="Refresh the tokens of companies that nothing has called for days, so that "
        "they never expire unused.",
        executor_def=dg.in_process_executor,
    )
    def keep_alive_job() -> None:
        refresh_idle_companies()

    return keep_alive_job


def grants_to_ask_about() -> bool:
    """Whether a grant that Intuit refused is to be asked about again now."""
    with open_control() as control:
        refused = control.companies.list(ConnectionStatus.NEEDS_REAUTH)
        noted = control.tokens.attempts([each.realm_id for each in refused]) if refused else {}
        now = control.now()
        return any(question_due(each, noted.get(each.realm_id), now) for each in refused)


def build_keep_alive_schedule(
    job: dg.JobDefinition, asked: Callable[[], bool] = grants_to_ask_about
) -> dg.ScheduleDefinition:
    """Daily, away from the full hour and from the nightly reconcile.

    The other hours are for companies that an outage at Intuit may have paused, and for machines that
    are off at that time of the day: of the ticks that were missed Dagster looks at the last only.
    """

    @dg.schedule(
        name=current_site().name("token_keep_alive_daily"),
        job=job,
        cron_schedule=f"{_MINUTE} * * * *",
        execution_timezone="UTC",
        default_status=current_site().schedule_status,
        description="Once a day one refresh for every company idle for a week, later where that time "
        "was missed; in any hour a grant that Intuit refused is asked about again, where that is due.",
    )
    @at_site
    def keep_alive(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time.astimezone(UTC)
        daily = at.replace(hour=_HOUR) - timedelta(days=at.hour < _HOUR)
        if at != daily and _has_run(context.instance, job.name, daily) and not asked():
            return dg.SkipReason(f"Idle companies are refreshed at {_HOUR:02}:{_MINUTE} UTC.")
        return dg.RunRequest(run_key=f"keep-alive:{at.isoformat()}")

    return keep_alive


def _has_run(instance: dg.DagsterInstance, job: str, since: datetime) -> bool:
    runs = dg.RunsFilter(job_name=job, created_after=since)
    return bool(instance.get_run_records(runs, limit=1))


def _metadata(outcomes: Sequence[KeepAliveResult]) -> Metadata:
    metadata: Metadata = {"companies": dg.MetadataValue.int(len(outcomes))}
    for outcome in KeepAliveOutcome:
        count = sum(each.outcome is outcome for each in outcomes)
        metadata[outcome.value] = dg.MetadataValue.int(count)
    for each in outcomes:
        words = [each.outcome.value]
        if each.refresh_expires_at is not None:
            words.append(f"refresh token ends {each.refresh_expires_at:%Y-%m-%d}")
        if each.hard_expires_at is not None:
            words.append(f"five years end {each.hard_expires_at:%Y-%m-%d}")
        if each.detail is not None:
            words.append(each.detail)
        metadata[f"{each.realm_id}: {each.name}"] = dg.MetadataValue.text("; ".join(words))
    return metadata
