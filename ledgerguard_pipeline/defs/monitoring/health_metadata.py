"""What each health check finds over all companies, laid out so that none hides behind the others.

Up to ``SHOWN`` companies all are named. Of more, only those that fail a check are, the first
``SHOWN`` of them, so that an evaluation stays readable and small; how many there are is said.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import dagster as dg

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.rate_limits.monthly_budget import SLOW_DOWN_AT, STOP_AT
from ledgerguard_pipeline.defs.bronze.company_table import CompanyRow, company_table
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.company_names import label, page_of, shown_name
from ledgerguard_pipeline.defs.keys import connection_key
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.health.history import rank
from ledgerguard_pipeline.health.rules import WEBHOOK_LAG_SECONDS, HealthState
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.quickbooks_links import list_link

HEALTH, TOKEN_LIFE, RECENT = "connection_health", "refresh_token_life", "recently_synced"
LAG, BUDGET = "webhook_lag", "call_budget"

TOKEN_WARNING_DAYS = 14
SHOWN = 50
_NAMED = 3

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
_Entries = Mapping[str, dg.MetadataValue]
_Look = Callable[[CompanyStatus], tuple[bool, _Entries]]
"""Whether a company is as it should be, and what is reported of it."""


def health(known: Sequence[CompanyStatus]) -> dg.AssetCheckResult:
    """The result for each company; the worst of them is that of the check."""
    order = list(HealthState)
    worst = max((each.health.state for each in known), key=order.index, default=order[0])

    def look(company_status: CompanyStatus) -> tuple[bool, _Entries]:
        state = company_status.health.state
        text = "; ".join((state.value, *company_status.health.texts))
        return state is HealthState.HEALTHY, {"health": dg.MetadataValue.text(text)}

    return _result(HEALTH, known, look, _ERROR if worst is HealthState.UNHEALTHY else _WARN)


def token_life(known: Sequence[CompanyStatus], now: datetime) -> dg.AssetCheckResult:
    """Days until the refresh token, and until the whole grant, ends."""

    def look(company_status: CompanyStatus) -> tuple[bool, _Entries]:
        if company_status.life is None:
            return True, {}
        ends = {
            "days left": company_status.life.refresh_expires_at,
            "days left of the grant": company_status.life.hard_expires_at,
        }
        days = {name: (end - now).total_seconds() / 86_400 for name, end in ends.items() if end}
        entries = {name: dg.MetadataValue.float(round(left, 1)) for name, left in days.items()}
        return all(left > TOKEN_WARNING_DAYS for left in days.values()), entries

    return _result(TOKEN_LIFE, known, look)


def recent(known: Sequence[CompanyStatus], now: datetime) -> dg.AssetCheckResult:
    """Whether each entity type is as fresh as its schedule promises."""

    def look(company_status: CompanyStatus) -> tuple[bool, _Entries]:
        last = company_status.facts.last_sync_at
        late = [each.entity for each in company_status.facts.entities if each.late(now)]
        return not late, {
            "hours since sync": (
                dg.MetadataValue.text("never synced")
                if last is None
                else dg.MetadataValue.float(round((now - last).total_seconds() / 3_600, 2))
            ),
            "late entities": dg.MetadataValue.text(", ".join(late) or "none"),
        }

    return _result(RECENT, [each for each in known if each.is_connected], look)


def lag(known: Sequence[CompanyStatus]) -> dg.AssetCheckResult:
    """How long webhook events wait, and whether any is parked."""

    def look(company_status: CompanyStatus) -> tuple[bool, _Entries]:
        age, parked = company_status.facts.webhook_age_seconds, company_status.facts.parked_events
        # Without a connection events wait for a new consent, as its health says.
        late = company_status.is_connected and age > WEBHOOK_LAG_SECONDS
        return not late and not parked, {
            "oldest event, seconds": dg.MetadataValue.float(round(age, 1)),
            "parked events": dg.MetadataValue.int(parked),
        }

    return _result(LAG, known, look)


def budget(known: Sequence[CompanyStatus]) -> dg.AssetCheckResult:
    """The month's metered calls of all companies together, and whose quota Intuit calls spent."""

    def look(company_status: CompanyStatus) -> tuple[bool, _Entries]:
        calls, spent = company_status.calls, company_status.facts.quota_resumes_at is not None
        entries: dict[str, dg.MetadataValue] = {
            "metered calls this month": dg.MetadataValue.int(calls.month_to_date),
            "forecast for the month": dg.MetadataValue.int(calls.forecast),
        }
        if spent:
            entries["quota"] = dg.MetadataValue.text("used up at Intuit")
        return not spent, entries

    if not known:
        return _result(BUDGET, known, look)
    calls = known[0].calls
    share = calls.all_companies / calls.budget if calls.budget else 0.0
    spent = any(each.facts.quota_resumes_at is not None for each in known)
    common: Metadata = {
        "all companies: metered calls this month": dg.MetadataValue.int(calls.all_companies),
        "all companies: forecast for the month": dg.MetadataValue.int(calls.all_forecast),
        "budget": dg.MetadataValue.int(calls.budget or 0),
        "percent used": dg.MetadataValue.float(round(100 * share, 2)),
    }
    severity = _ERROR if spent or share >= STOP_AT else _WARN
    return _result(BUDGET, known, look, severity, common, passed=share < SLOW_DOWN_AT)


def _result(
    name: str,
    known: Sequence[CompanyStatus],
    look: _Look,
    severity: dg.AssetCheckSeverity = _WARN,
    common: Mapping[str, dg.MetadataValue] | None = None,
    *,
    passed: bool = True,
) -> dg.AssetCheckResult:
    looked = [
        CompanyRow(
            shown_name(each.company.name),
            each.company.realm_id,
            "passes" if fine else "fails",
            figures=figures,
        )
        for each, (fine, figures) in ((one, look(one)) for one in known)
    ]
    failing = [each for each in looked if each.result == "fails"]
    metadata: Metadata = {
        "companies": dg.MetadataValue.int(len(known)),
        "companies that fail": dg.MetadataValue.int(len(failing)),
        **(common or {}),
    }
    shown = sorted(looked, key=lambda each: each.result) if len(looked) <= SHOWN else failing
    if shown:
        metadata["table"] = company_table(shown[:SHOWN])
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=connection_key(),
        passed=passed and not failing,
        severity=severity,
        description=_said(failing, len(known)),
        metadata=metadata,
    )


def _said(failing: Sequence[CompanyRow], companies: int) -> str:
    """One sentence for people who look at a list of checks."""
    if not companies:
        return "No company is connected."
    if not failing:
        return "No company fails it."
    named = ", ".join(label(each.company, each.realm_id) for each in failing[:_NAMED])
    more = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
    return f"{len(failing)} of {companies} companies: {named}{more}."


def companies_table(known: Sequence[CompanyStatus], settings: Settings) -> dg.AssetObservation:
    """Every company by name, with its health and where to look at it; the first ``SHOWN``, worst first."""
    worst = sorted(known, key=lambda each: rank(each.health.state.value), reverse=True)
    rows = [
        CompanyRow(
            shown_name(each.company.name),
            each.company.realm_id,
            each.health.state.value,
            finding="; ".join(each.health.texts),
            figures={
                "connection": dg.MetadataValue.text(each.company.status.value.replace("_", " ")),
                "last sync": dg.MetadataValue.text(
                    "never"
                    if each.facts.last_sync_at is None
                    else f"{each.facts.last_sync_at:%Y-%m-%d %H:%M} UTC"
                ),
                "rows": dg.MetadataValue.int(each.rows),
                "metered calls this month": dg.MetadataValue.int(each.calls.month_to_date),
                "page": dg.MetadataValue.text(page_of(settings.web_url, each.company.realm_id)),
                "in QuickBooks": dg.MetadataValue.text(
                    list_link(each.company.environment, each.company.realm_id)
                ),
            },
        )
        for each in worst[:SHOWN]
    ]
    return dg.AssetObservation(
        connection_key(),
        description=counted(len(known), "company", "companies"),
        metadata={
            "companies": dg.MetadataValue.int(len(known)),
            **({"table": company_table(rows)} if rows else {}),
            "company_pages": dg.MetadataValue.url(settings.web_url),
        },
    )
