"""The checks of ``ledgerguard doctor`` on companies: their health, webhooks and call budget."""

from __future__ import annotations

from collections.abc import Mapping

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, CheckState, advice, broken, good
from ledgerguard_pipeline.cli.installed import installed, nothing_connected
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
