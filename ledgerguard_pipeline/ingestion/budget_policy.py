"""Optional work that a sync skips when the month's call budget is nearly used up.

Optional work only verifies, or can wait: reconciling, comparing counts, and the few types that
change data capture leaves out and that are queried every hour. Changes go on, as do
webhooks, first loads, and whatever a person asks for with ``--full``, ``--since`` or a window.

Decision 22 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ledgerguard_pipeline.errors import CallBudgetSpent
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.values import Mode

Skipped = tuple[EntityPlan, CallBudgetSpent]


def affordable(
    plans: Sequence[EntityPlan],
    request: SyncRequest,
    recorder: Recorder,
    loaded: frozenset[str],
) -> tuple[list[EntityPlan], list[Skipped]]:
    """The plans that are carried out, and those that are left out with the reason.

    ``loaded`` names the entities that were loaded completely at least once.
    """
    try:
        recorder.require_budget(_what(request))
    except CallBudgetSpent as error:
        spent = error
    else:
        return list(plans), []
    kept: list[EntityPlan] = []
    skipped: list[Skipped] = []
    for plan in plans:
        if _optional(plan, request, loaded):
            skipped.append((plan, spent))
        else:
            kept.append(_uncounted(plan))
    return kept, skipped


def skipped_result(request: SyncRequest, plan: EntityPlan, why: CallBudgetSpent) -> EntityResult:
    """The note on an entity that was skipped."""
    mode = Mode.RECONCILE if request.reconcile else plan.mode
    return EntityResult(
        request.realm_id, plan.entity.name, mode, status="skipped", note=why.message
    )


def _what(request: SyncRequest) -> str:
    return "Comparing counts" if request.reconcile else "Reading this type by query"


def _optional(plan: EntityPlan, request: SyncRequest, loaded: frozenset[str]) -> bool:
    if request.reconcile:
        return True
    asked_for = request.full or request.since is not None or request.window is not None
    return not plan.entity.cdc and plan.entity.name in loaded and not asked_for


def _uncounted(plan: EntityPlan) -> EntityPlan:
    """Without the count that only proves; where a watermark waits for it, it is still asked."""
    return plan if plan.entity.cdc else replace(plan, count_after=False)
