"""Keeping alive the grants nobody uses: Intuit ends a refresh token after 100 idle days.

Every use extends it, so one refresh of a company that was not called for some days keeps it alive,
for up to Intuit's five years. Grants that Intuit refused are asked about again here, because it
refuses living ones too during some of its outages.

Decisions 25 and 105 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from ledgerguard_pipeline.auth.keepalive_result import IDLE_DAYS, KeepAliveOutcome, KeepAliveResult
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import TokenLife
from ledgerguard_pipeline.errors import LedgerGuardError, ReauthorizationRequired
from ledgerguard_pipeline.health.rules import WARN_DAYS

_log = structlog.get_logger(__name__)


def keep_alive(
    control: ControlPlane, token_provider: TokenProvider, *, idle_days: int = IDLE_DAYS
) -> list[KeepAliveResult]:
    """Refresh every company that was idle for so many days; whatever one fails at stays its own.

    A token that ends within the first warning is refreshed unless that was done within a day.
    """
    lives = control.tokens.lives()
    outcomes = []
    for company in control.companies.list():
        if company.status is ConnectionStatus.DISCONNECTED:
            continue
        life = lives.get(company.realm_id)
        try:
            outcome, detail = _keep_alive(control, token_provider, company, life, idle_days), None
        except ReauthorizationRequired as error:
            outcome, detail = KeepAliveOutcome.DIED, error.message
        except LedgerGuardError as error:
            outcome, detail = KeepAliveOutcome.FAILED, error.message
        except Exception as error:  # noqa: BLE001  # the next company must not suffer from it
            outcome, detail = (
                KeepAliveOutcome.FAILED,
                f"An unexpected {type(error).__name__} stopped it.",
            )
            _log.exception("keep_alive_failed", realm_id=company.realm_id)
        outcomes.append((company, outcome, detail))
    return _dated(control, outcomes)


def _keep_alive(
    control: ControlPlane,
    token_provider: TokenProvider,
    company: Company,
    life: TokenLife | None,
    idle_days: int,
) -> KeepAliveOutcome:
    if company.status is ConnectionStatus.NEEDS_REAUTH:
        return (
            KeepAliveOutcome.REVIVED
            if token_provider.confirm(company.realm_id)
            else KeepAliveOutcome.NEEDS_CONSENT
        )
    if life is not None and not _due(life, control.now(), idle_days):
        return KeepAliveOutcome.IN_USE
    # If somebody refreshed it since the look above, the call is saved.
    return (
        KeepAliveOutcome.RENEWED
        if token_provider.keep_alive(company.realm_id)
        else KeepAliveOutcome.IN_USE
    )


def _due(life: TokenLife, now: datetime, idle_days: int) -> bool:
    if now - life.access_expires_at >= timedelta(days=idle_days):
        return True
    end = life.refresh_expires_at
    return end is not None and end - now <= timedelta(days=WARN_DAYS[0])


def _dated(
    control: ControlPlane, outcomes: list[tuple[Company, KeepAliveOutcome, str | None]]
) -> list[KeepAliveResult]:
    lives = control.tokens.lives()
    reported = []
    for company, outcome, detail in outcomes:
        life = lives.get(company.realm_id)
        reported.append(
            KeepAliveResult(
                company.realm_id,
                company.name,
                outcome,
                None if life is None else life.refresh_expires_at,
                None if life is None else life.hard_expires_at,
                detail,
            )
        )
        _log.info("company_kept_alive", realm_id=company.realm_id, outcome=outcome.value)
    return reported
