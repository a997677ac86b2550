"""Read quarantined objects again: they may be shown whole by now, and no change announces that.

An object that was shown in part only, or not served at all, keeps its older row until its next
version. Where Intuit serves the same version later, only asking by id brings it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import structlog

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import BronzeBusy, LedgerGuardError
from ledgerguard_pipeline.ingestion.queries.whole_objects import announced, ask, settle
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import LoadId, Mode, RealmId

_log = structlog.get_logger(__name__)


def read_quarantined_again(
    client: QBOClient,
    storage: BronzeStore,
    realm_id: RealmId,
    *,
    clock: Clock,
    run_id: str | None = None,
) -> tuple[list[Load], list[LoadOutcome]]:
    """Store those that are shown whole now; others stay in quarantine, and nothing else changes.

    Raises:
        BronzeError: Bronze cannot be read or written.
    """
    try:
        waiting = storage.healing(realm_id).quarantined()
        loads = [
            load
            for entity, ids in waiting.items()
            if (load := _read(client, entity, ids, realm_id, clock.now(), run_id)) is not None
        ]
        return loads, storage.commit(loads) if loads else []
    except BronzeBusy:
        # Every commit of the sync meets the same holder and names it.
        return [], []


def _read(
    client: QBOClient,
    entity: EntityType,
    ids: Sequence[str],
    realm_id: RealmId,
    now: datetime,
    run_id: str | None,
) -> Load | None:
    try:
        shown = ask(client, {entity: ids})[entity.name]
        found = settle(client, shown, [announced(id, now) for id in ids]).records
    except LedgerGuardError as error:
        _log.warning(
            "quarantined_not_read", realm_id=realm_id, entity=entity.name, reason=str(error)
        )
        return None
    if not found:
        return None
    return Load(
        load_id=LoadId(uuid.uuid4().hex),
        realm_id=realm_id,
        entity=entity,
        mode=Mode.RECONCILE,
        run_id=run_id,
        records=found,
        rejects=[],
        started_at=now,
    )
