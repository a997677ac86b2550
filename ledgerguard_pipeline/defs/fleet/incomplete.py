"""Companies whose first load is not complete, for those who launch first loads and who report them."""

from collections.abc import Collection
from datetime import datetime

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.control.company_state.sync_state import SyncState
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import FailureKind

_MENDED_BY_REPETITION = (None, FailureKind.TRANSIENT)


def lacking_first_loads(
    control: ControlPlane,
    kept: Collection[EntityType],
    companies: Collection[Company],
    *,
    since_connected: bool = False,
) -> set[str]:
    """Those with a kept type that was not read since they were connected, or never.

    What failed for a reason that no repetition mends does not count. A type that a company is not
    offered was read too, though it never gets a watermark.
    """
    known = control.sync_states.read([each.realm_id for each in companies])
    return {
        str(company.realm_id)
        for company in companies
        if company.error_kind in _MENDED_BY_REPETITION
        and any(
            _lacks(
                known.get(company.realm_id, {}).get(entity.name),
                company.connected_at if since_connected else None,
            )
            for entity in kept
        )
    }


def _lacks(state: SyncState | None, since: datetime | None) -> bool:
    """Whether a type was not read since then, or never, and another try may help."""
    if state is None:
        return True
    read = state.last_sync_at
    if read is not None and (since is None or read >= since):
        return False
    return state.failure is None or state.failure.kind in _MENDED_BY_REPETITION
