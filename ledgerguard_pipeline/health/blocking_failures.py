"""Failures that keep a whole company from being loaded until somebody acts.

Each kind of error that needs a person has its heading in the runbook; what else fails then, fails
for the same reason and is not worth a word.
"""

from __future__ import annotations

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.errors import FailureKind
from ledgerguard_pipeline.failure import Failure, cause_of
from ledgerguard_pipeline.health.facts import EntityFacts, SyncFacts
from ledgerguard_pipeline.health.reasons import HealthState, Reason, ReasonKind

_KINDS = {
    "AccessDenied": ReasonKind.ACCESS_DENIED,
    "CompanyUnavailable": ReasonKind.COMPANY_UNAVAILABLE,
    "CredentialsRejected": ReasonKind.CREDENTIALS_REJECTED,
    "KeyUnavailable": ReasonKind.KEY_MISSING,
    "ReauthorizationRequired": ReasonKind.NEEDS_REAUTH,
}
"""By the error's name; others are a matter of settings."""

_REPORTED_APART = ("QuotaExhausted", "BronzeUnusable")
"""While they last they are reasons of their own."""

_BRONZE = {
    "BronzeBusy": ReasonKind.BRONZE_HELD,
    "BronzeUnavailable": ReasonKind.BRONZE_AWAY,
}
"""The store of all companies that cannot be used for now; the next sync tries again."""


def bars(failure: Failure | None) -> bool:
    """Whether a failure keeps all entity types from being loaded until somebody acts."""
    return (
        failure is not None
        and failure.needs_human
        and failure.company_wide
        and failure.name not in _REPORTED_APART
    )


def barring_reason(company: Company, facts: SyncFacts) -> Reason | None:
    """Why nothing of a connected company can be loaded; None where something can.

    A type that was brought up to date after the failure proves that it is not the whole company.
    """
    if (
        company.last_error is not None
        and company.error_kind is FailureKind.NEEDS_HUMAN
        and company.error_name not in _REPORTED_APART
    ):
        return _reason(company.error_name, company.last_error)
    barred = [each for each in facts.entities if bars(each.failure)]
    if not barred:
        return None
    last = max(barred, key=_failed_at)
    since = last.failed_at
    if since is not None and any(
        each.last_sync_at is not None and each.last_sync_at > since for each in facts.entities
    ):
        return None
    failure = last.failure
    return None if failure is None else _reason(failure.name, failure.text)


def bronze_reasons(company: Company, facts: SyncFacts) -> list[Reason]:
    """Why Bronze cannot be opened or written, said once however many types met it."""
    if facts.bronze_trouble is not None:
        return [Reason(HealthState.UNHEALTHY, facts.bronze_trouble, ReasonKind.BRONZE_UNUSABLE)]
    if company.last_error is not None and company.error_name in _BRONZE:
        # The sync could not even begin, so it is the latest to have met it.
        return [_bronze(company.error_name, company.last_error)]
    met = [each for each in facts.entities if each.failure and each.failure.name in _BRONZE]
    if not met:
        return []
    last = max(met, key=_failed_at).failure
    return [] if last is None else [_bronze(last.name, cause_of(last.text))]


def said_already(name: str, facts: SyncFacts) -> bool:
    """Whether another reason says why whatever failed with this error did, named as there."""
    if name == "TokenEndpointUnavailable":
        return facts.refresh is not None and facts.refresh.reason is not None
    return name in _BRONZE or (name == "BronzeUnusable" and facts.bronze_trouble is not None)


def _bronze(name: str, text: str) -> Reason:
    return Reason(HealthState.DEGRADED, text, _BRONZE[name])


def refresh_reasons(facts: SyncFacts) -> list[Reason]:
    """Why the tokens of a company are not renewed, from the first failure on."""
    refresh = facts.refresh
    if refresh is None or refresh.reason is None:
        return []
    times = "once" if refresh.tries == 1 else f"{refresh.tries} times in a row"
    text = (
        f"Renewing its access token failed {times}, last at {refresh.started_at:%Y-%m-%d %H:%M} "
        f"UTC: {refresh.reason}. The grant is kept and the refresh is retried by itself; if this stays, "
        "look at the network and at Intuit's status page."
    )
    return [Reason(HealthState.DEGRADED, text, ReasonKind.REFRESH_FAILS)]


def _failed_at(facts: EntityFacts) -> float:
    return 0.0 if facts.failed_at is None else facts.failed_at.timestamp()


def _reason(name: str, text: str) -> Reason:
    kind = _KINDS.get(name, ReasonKind.MISCONFIGURED)
    return Reason(HealthState.UNHEALTHY, f"Nothing can be loaded. {text}", kind)
