"""Whether a company's data is as fresh as its schedules promise, or still being loaded at first."""

from __future__ import annotations

from datetime import datetime

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.health.facts import SyncFacts, unhealthy_after
from ledgerguard_pipeline.health.reasons import HealthState, Reason, ReasonKind
from ledgerguard_pipeline.health.wording import names, span, were

FIRST_LOAD_SECONDS = 60.0
"""The sensor for new companies looks every ten seconds, and a run takes some more to start."""


def freshness_reasons(company: Company, facts: SyncFacts, now: datetime) -> list[Reason]:
    """Whether its data is as fresh as promised, still on its way for the first time, or late."""
    first = _first_load(company, facts, now)
    if first is not None:
        return [first]
    if facts.last_sync_at is None:
        text = "It was never synced. Run `ledgerguard sync`."
        return [Reason(HealthState.DEGRADED, text, ReasonKind.NEVER_SYNCED)]
    found = []
    never = [each.entity for each in facts.entities if each.last_sync_at is None]
    if never:
        text = (
            f"{names(never)} {were(never)} never loaded completely. The next run will load them; "
            "if this persists, look at its errors."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.NEVER_SYNCED))
    for promised in sorted({each.promised_seconds for each in facts.entities}):
        synced = [
            each
            for each in facts.entities
            if each.promised_seconds == promised and each.last_sync_at is not None
        ]
        late = {
            each.entity: (now - each.last_sync_at).total_seconds()
            for each in synced
            if each.last_sync_at is not None and each.late(now)
        }
        if late:
            found.append(_late(late, len(facts.entities), promised))
    return found


def _first_load(company: Company, facts: SyncFacts, now: datetime) -> Reason | None:
    """While types that were never loaded are being loaded, or are about to be."""
    if all(each.last_sync_at is not None for each in facts.entities) and facts.entities:
        return None
    if any(each.error is not None for each in facts.entities) or company.last_error is not None:
        return None
    if facts.syncing:
        complete = sum(each.last_sync_at is not None for each in facts.entities)
        so_far = (
            f"{facts.rows:,} {'row' if facts.rows == 1 else 'rows'} so far, {complete} of "
            f"{facts.kept_entities} entity types complete"
            if facts.rows or complete
            else "no row has arrived yet"
        )
        text = f"The first load is running: {so_far}. Syncs keep it current from then on."
        return Reason(HealthState.LOADING, text, ReasonKind.FIRST_LOAD)
    fresh = (now - company.connected_at).total_seconds() < FIRST_LOAD_SECONDS
    if facts.last_sync_at is None and not facts.rows and fresh:
        text = (
            "It was connected just now. Where `ledgerguard up` runs, its first load starts within "
            "seconds; otherwise run `ledgerguard sync`."
        )
        return Reason(HealthState.LOADING, text, ReasonKind.FIRST_LOAD)
    return None


def _late(ages: dict[str, float], known: int, promised: float) -> Reason:
    oldest = max(ages.values())
    state = HealthState.UNHEALTHY if oldest > unhealthy_after(promised) else HealthState.DEGRADED
    everything = len(ages) == known > 1
    who = "Every entity was" if everything else f"{names(list(ages))} {were(list(ages))}"
    text = (
        f"{who} last synced {span(oldest)} ago; the schedule promises every {span(promised)}. Check that "
        "`ledgerguard up` runs and that its runs succeed."
    )
    return Reason(state, text, ReasonKind.SYNC_LATE, state.value)
