"""Two sensors for alerts: one records failed runs, one watches health and sends messages.

Neither launches anything. The first only writes down; all telling is done by the second, so that
a slow channel never keeps Dagster from noticing the next failure, and what a failed run and the
company's health say together becomes one message.
"""

from collections.abc import Callable, Iterable

import dagster as dg

from ledgerguard_pipeline.alerts.channels.configured import configured_channels
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher, DispatchSummary, Observed
from ledgerguard_pipeline.alerts.messages import Links
from ledgerguard_pipeline.alerts.policy import INSTALLATION, Alert, AlertKind, findings_of
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.bronze.failures import COMPANIES, error_of
from ledgerguard_pipeline.defs.keys import SWEEP_TAG
from ledgerguard_pipeline.defs.monitoring.failing_runs import LaterSuccesses, scheduled_jobs
from ledgerguard_pipeline.defs.run_context import OpenControl, current_settings, open_control
from ledgerguard_pipeline.defs.run_tags import company_of
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.health.summary import CompanyHealth, read_summaries

TICK_SECONDS = 30

_WILL_RETRY_TAG = "dagster/will_retry"


def build_alert_sensors(
    opened: OpenControl = open_control, settings: Callable[[], Settings] = current_settings
) -> list[dg.SensorDefinition]:
    """The sensors; without a configured channel both do nothing."""

    @dg.run_failure_sensor(
        name=current_site().name("failed_runs"),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=current_site().sensor_status,
        description="Records failed runs for the next alert; each is sent once until a later run succeeds.",
    )
    @at_site
    def failed_runs(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        if run.tags.get(_WILL_RETRY_TAG) == "true" or not configured_channels(settings()):
            return
        with opened() as control:
            known = {company.realm_id for company in control.companies.list()}
            dispatcher = AlertDispatcher(control, (), Links.of(settings()))
            # A sweep or a range typed by hand spans companies: those that failed are named.
            for named in failed_companies(context) or [company_of(run.tags) or ""]:
                realm = named if named in known else INSTALLATION
                dispatcher.note_failed_run(
                    realm, failed_run(context, named, named_already=bool(realm))
                )

    @dg.sensor(
        name=current_site().name("company_alerts"),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=current_site().sensor_status,
        description="Notifies the configured channels when a company's health changes, once per "
        "change.",
    )
    @at_site
    def company_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = settings()
        channels = configured_channels(now)
        if not channels:
            return dg.SkipReason(
                "No alert channel is configured: set LEDGERGUARD_ALERT_WEBHOOK_URL, "
                "LEDGERGUARD_ALERT_SLACK_URL or LEDGERGUARD_SMTP_URL."
            )
        with opened() as control:
            dispatcher = AlertDispatcher(control, channels, Links.of(now))
            at = control.now()
            companies = read_summaries(control, now)
            later = LaterSuccesses(
                context.instance,
                control,
                now,
                scheduled_jobs(context.repository_def),
                {each.company.realm_id for each in companies if each.failed},
            )
            dispatcher.observe(observed(companies), later.still_failing, at)
            return dg.SkipReason(sent(dispatcher.tell()))

    return [failed_runs, company_alerts]


def observed(companies: Iterable[CompanyHealth]) -> list[Observed]:
    """What is wrong with each company, by the one status that everybody shows."""
    return [
        Observed(each.company.realm_id, each.company.name, tuple(findings_of(each.health.reasons)))
        for each in companies
    ]


def sent(summary: DispatchSummary) -> str:
    """One line for the sensor's page."""
    parts = [f"{channel}: {count} sent" for channel, count in sorted(summary.sent.items())]
    parts += [f"{channel}: {error}" for channel, error in sorted(summary.failed.items())]
    return "; ".join(parts) or "Nothing changed."


def failed_companies(context: dg.RunFailureSensorContext) -> list[str]:
    """The companies whose steps failed, in the order of the steps; empty where none is named."""
    found: dict[str, None] = {}
    for event in context.get_step_failure_events():
        found |= dict.fromkeys(_companies(event))
    return list(found)


def failed_run(
    context: dg.RunFailureSensorContext, realm: str, *, named_already: bool = True
) -> Alert:
    """The failure in words: that of the company's first failed step, or why the run ended.

    ``realm`` is named where the message itself is not about that company.
    """
    run = context.dagster_run
    reported_by_step = []
    for event in context.get_step_failure_events():
        companies = _companies(event)
        if companies and realm not in companies:
            continue
        data = event.step_failure_data
        said = _said(event, realm)
        if said is None and data.error is not None:
            # The class alone: a message of whatever library may hold anything.
            said = (data.error.cause or data.error).cls_name
        step = str(event.step_key).rpartition("__")[2]  # qbo__bronze__invoice
        reported_by_step.append(f"{step}: {said or 'no reason was given'}")
    rest = f" (and {len(reported_by_step) - 1} more)" if len(reported_by_step) > 1 else ""
    why = (
        reported_by_step[0]
        if reported_by_step
        else context.failure_event.message or "its process ended"
    )
    about = f" of company {realm}" if realm and not named_already else ""
    # All sweeps are one job: what another one does says nothing of this one.
    sweep = run.tags.get(SWEEP_TAG)
    what = f"A run of the job {run.job_name}" if sweep is None else f"The sweep {sweep}"
    return Alert(
        AlertKind.RUN_FAILED.value,
        HealthState.DEGRADED,
        f"{what}{about} failed{rest}. {why.strip().rstrip('.')}. "
        "The next run resumes where this one stopped.",
        subject=sweep or run.job_name,
        run_id=run.run_id,
    )


def _companies(event: dg.DagsterEvent) -> list[str]:
    failure = event.step_failure_data.user_failure_data
    named = None if failure is None else failure.metadata.get(COMPANIES)
    return [] if named is None else str(named.value).split(", ")


def _said(event: dg.DagsterEvent, realm: str) -> str | None:
    """What a step says of a company's failure; its own text where several failed in it."""
    failure = event.step_failure_data.user_failure_data
    if failure is None:
        return None
    own = failure.metadata.get(error_of(realm))
    return failure.description if own is None else str(own.value)
