"""The checks of ``ledgerguard doctor`` on the work itself: Dagster, companies, call budget."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, CheckState, advice, broken, good
from ledgerguard_pipeline.cli.installed import installed, nothing_connected
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.rate_limits.monthly_budget import SLOW_DOWN_AT
from ledgerguard_pipeline.control.webhook_queue.deliveries import COUNTER, DeliveryOutcome
from ledgerguard_pipeline.control.webhook_queue.queue import NO_COMPANY
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState

_LISTED = 20
"""With more companies than this only those are listed that are not well."""

_DEAD = "Run `ledgerguard connect`, or press Connect again on the page, and choose this company."


def dagster(settings: Settings) -> list[CheckResult]:
    """Whether the daemon is alive, and which of its schedules and sensors are switched off."""
    topic, folder = "Dagster daemon", _dagster_home(settings)
    start = "Run `ledgerguard up`, or `dagster-daemon run` as a service."
    if folder is None:
        return [good(topic, "has not run yet; `ledgerguard up` starts it.")]
    from ledgerguard_pipeline.defs.instance.daemon_status import read_daemon_status

    try:
        seen = read_daemon_status(folder)
    except Exception as error:  # noqa: BLE001  # whatever Dagster raises must not end the doctor
        return [
            broken(
                topic, f"{folder} cannot be read ({type(error).__name__}).",
                "Check that its database is reachable and of this version: `dagster instance info`.",
            )
        ]  # fmt: skip
    now = SYSTEM_CLOCK.now()
    if seen.heartbeat_at is None:
        found = [advice(topic, "has never run: nothing is synced by schedule.", start)]
    elif not seen.daemon_runs(now):
        text = f"last reported at {seen.heartbeat_at:%Y-%m-%d %H:%M} UTC: nothing is synced."
        found = [advice(topic, text, start)]
    else:
        found = [good(topic, "runs.")]
    if seen.stopped:
        found.append(
            advice(
                "schedules and sensors",
                f"switched off in Dagster: {', '.join(seen.stopped)}.",
                "Switch them on in Dagster under Automation, unless that is what you want.",
            )
        )
    else:
        found.append(good("schedules and sensors", "none is switched off."))
    return found


def _dagster_home(settings: Settings) -> Path | None:
    """The Dagster home in use, if it was ever used: opening another would fill it with files."""
    own = settings.ledgerguard_home.absolute() / "dagster"
    named = os.environ.get("DAGSTER_HOME")
    for folder in (Path(named), own) if named else (own,):
        file = folder / "dagster.yaml"
        if file.is_file() and ((folder / "schedules").exists() or _elsewhere(file)):
            return folder
    return None


def _elsewhere(file: Path) -> bool:
    """Whether runs are kept in a database server, so that looking creates no file."""
    return "postgres" in file.read_text(encoding="utf-8")


def companies(settings: Settings) -> list[CheckResult]:
    """Each company by the health that status, page and alerts show, and the call budget."""
    if not installed(settings):
        return [advice("companies", "none is connected.", nothing_connected(settings))]
    from ledgerguard_pipeline.control.plane import ControlPlane

    try:
        with ControlPlane.open(settings) as control:
            found = read_statuses(control, settings)
            stray = control.inbox.backlog(NO_COMPANY).parked
            deliveries = control.counters.read(COUNTER)
    except LedgerGuardError as error:
        return [broken("companies", str(error), "See the message; nothing was changed.")]
    if not found:
        return [advice("companies", "none is connected.", nothing_connected(settings))]
    shown = [_company(each) for each in found]
    if len(shown) > _LISTED:
        well = [each for each in shown if each.state is CheckState.GOOD]
        shown = [each for each in shown if each.state is not CheckState.GOOD]
        shown.insert(0, good("companies", f"{len(well):,} of {len(found):,} are healthy."))
    return [*shown, _deliveries(deliveries), _stray(stray), _budget(found[0])]


def _deliveries(counts: Mapping[str, float]) -> CheckResult:
    """Whether the verifier token is the one that Intuit signs with."""
    topic = "webhook deliveries"
    genuine = sum(counts.get(each.value, 0.0) for each in DeliveryOutcome)
    refused = counts.get("bad_signature", 0.0)
    if genuine or not refused:
        return good(topic, f"{genuine:,.0f} were genuine.")
    return advice(
        topic,
        f"{refused:,.0f} came and every one was refused for its signature.",
        "Copy the verifier token again: it belongs to one app and one environment at Intuit "
        "(INTUIT_WEBHOOK_VERIFIER_TOKEN).",
    )


def _stray(parked: int) -> CheckResult:
    topic = "webhook events"
    if not parked:
        return good(topic, "all of them could be read, or name their company.")
    return advice(
        topic,
        f"{parked:,} parts of deliveries cannot be read and name no company.",
        "See docs/runbook.md#unreadable_events.",
    )


def _company(company_status: CompanyStatus) -> CheckResult:
    company, health = company_status.company, company_status.health
    topic = f"company {company.realm_id}"
    if company.status is ConnectionStatus.DISCONNECTED:
        return good(topic, f"{company.name}: {' '.join(health.texts)}")
    if company.status is ConnectionStatus.NEEDS_REAUTH:
        why = company.last_error or "Intuit no longer accepts its grant."
        return broken(topic, f"{company.name} needs a new consent: {why}", _DEAD)
    if health.state is HealthState.HEALTHY:
        return good(topic, f"{company.name} is connected.")
    text = f"{company.name} is {health.state}: {' '.join(health.texts)}"
    if health.state is HealthState.LOADING:
        return good(topic, text)
    found = broken if health.state is HealthState.UNHEALTHY else advice
    kinds = dict.fromkeys(reason.kind.runbook for reason in health.reasons)
    return found(topic, text, f"See {', '.join(kinds)}.")


def _budget(company_status: CompanyStatus) -> CheckResult:
    topic, calls = "call budget", company_status.calls
    used, forecast, budget = calls.all_companies, calls.all_forecast, calls.budget
    if not budget:
        return good(topic, f"{used:,} metered calls this month; no budget is set.")
    text = f"{used:,} of {budget:,} metered calls used this month, {forecast:,} expected by its end"
    if max(used, forecast) < SLOW_DOWN_AT * budget:
        return good(topic, text)
    return advice(
        topic,
        f"{text}; past {SLOW_DOWN_AT:.0%} calls are spaced out.",
        "Raise LEDGERGUARD_MONTHLY_CALL_BUDGET if the app's tier at Intuit allows more, or keep "
        "fewer entity types (LEDGERGUARD_ENTITIES).",
    )
