"""Things that are wrong with companies."""

from __future__ import annotations

from ledgerguard_pipeline.alerts.dispatcher import Observed
from ledgerguard_pipeline.alerts.policy import Alert, AlertKind
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind

DEAD = Alert(
    ReasonKind.NEEDS_REAUTH.value,
    HealthState.UNHEALTHY,
    "Intuit no longer accepts its grant. Connect it again with `ledgerguard connect`.",
)
QUARANTINE = Alert(
    ReasonKind.QUARANTINE.value, HealthState.DEGRADED, "3 records are in quarantine. Look at them."
)
LAG = Alert(
    ReasonKind.WEBHOOK_LAG.value, HealthState.DEGRADED, "A webhook event has been waiting. Look."
)
BUDGET = Alert(
    ReasonKind.CALL_BUDGET.value, HealthState.DEGRADED, "80 % are used. Wait.", grade="80%"
)


def failed_run(run_id: str = "r1", job: str = "bronze_changes") -> Alert:
    return Alert(
        AlertKind.RUN_FAILED.value, HealthState.DEGRADED, f"A run of {job} failed.", subject=job,
        run_id=run_id,
    )  # fmt: skip


def observed(realm: str, *findings: Alert) -> Observed:
    return Observed(realm, f"Company {realm[-2:]}", findings)
