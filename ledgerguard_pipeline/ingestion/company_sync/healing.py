"""Heal what earlier releases wrote of a company, once, before its first sync goes on.

Doubled versions and signed links are mended in Bronze itself. Rows that show only a part of
their object are read whole, by query; an object that is shown no more is buried. What cannot be
read now stays as it is and is tried again by the next sync; until then health names it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.maintenance.healing import Healed, Part
from ledgerguard_pipeline.bronze.maintenance.healing_step import HealingStep, Mended
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.queries.whole_objects import Shown, ask, settle
from ledgerguard_pipeline.members import always_there
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import LoadId, Mode, RealmId, Record, Source

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Healing:
    """What was mended, by entity name, and how many partial rows are left."""

    done: dict[str, Healed] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def add(self, healed: Healed) -> None:
        """Count more of an entity type."""
        old = self.done.get(healed.entity, Healed(healed.entity))
        self.done[healed.entity] = Healed(
            healed.entity,
            old.masked + healed.masked,
            old.doubled + healed.doubled,
            old.partial + healed.partial,
        )


def heal(
    client: QBOClient,
    healing: HealingStep,
    realm_id: RealmId,
    *,
    clock: Clock,
    run_id: str | None = None,
) -> Healing:
    """Take a company's step of healing, also one that was taken before.

    Raises:
        BronzeError: Bronze cannot be read or written; nothing is half done.
    """
    found = Healing()
    for healed in healing.stored():
        found.add(healed)
    parts = healing.partial()
    mended: list[Mended] = []
    for entity, rows in parts.items():
        try:
            one = _mend(client, entity, rows, realm_id, clock, run_id)
        except LedgerGuardError as error:
            _log.warning(
                "partial_rows_not_read", realm_id=realm_id, entity=entity.name, reason=str(error)
            )
            found.left[entity.name] = sum(row.newest for row in rows)
            continue
        still = {row.record.id for row in rows if row.newest} & {
            reject.id for reject in one.load.rejects if reject.id is not None
        }
        if still:
            found.left[entity.name] = len(still)
        mended.append(one)
    healing.mend(mended, complete=not found.left)
    for one in mended:
        if one.partial:
            found.add(Healed(one.load.entity.name, partial=len(one.partial)))
    for healed in found.done.values():
        _log.warning(
            "bronze_healed",
            realm_id=realm_id,
            entity=healed.entity,
            doubled=healed.doubled,
            partial=healed.partial,
            masked=healed.masked,
        )
    return found


def _mend(
    client: QBOClient,
    entity: EntityType,
    rows: Sequence[Part],
    realm_id: RealmId,
    clock: Clock,
    run_id: str | None,
) -> Mended:
    newest = [row for row in rows if row.newest]
    shown = Shown(entity)
    if newest:
        shown = ask(client, {entity: [row.record.id for row in newest]})[entity.name]
        if shown.error is not None:
            raise shown.error
    settled = settle(client, shown, [row.record for row in newest])
    by_id = {record.id: record for record in settled.records}
    aside = [
        (row.record.id, row.loaded_at)
        for row in rows
        if _replaced(entity, row, by_id, settled.gone)
    ]
    now = clock.now()
    gone = [_tombstone(entity, row.record, now) for row in newest if row.record.id in settled.gone]
    load = Load(
        load_id=LoadId(uuid.uuid4().hex),
        realm_id=realm_id,
        entity=entity,
        mode=Mode.RECONCILE,
        run_id=run_id,
        records=[*settled.records, *gone],
        rejects=[reject for reject in settled.rejects if reject.id not in settled.gone],
        started_at=now,
    )
    return Mended(load, aside)


def _replaced(entity: EntityType, row: Part, read: Mapping[str, Record], gone: set[str]) -> bool:
    """Whether a stored row is a mere part, now that its object was read again."""
    id = row.record.id
    if not row.newest:
        return row.called_partial
    if id in gone:
        return True
    if id not in read:
        return False
    whole, part = read[id].payload or b"", row.record.payload or b""
    return row.called_partial or any(
        name in whole and name not in part for name in always_there(entity.name)
    )


def _tombstone(entity: EntityType, part: Record, now: datetime) -> Record:
    return Record(
        id=part.id,
        sync_token=None,
        state=entity.gone_state,
        created_at=None,
        last_updated_at=now,
        payload=None,
        source=Source.RECONCILE,
        request_id=None,
        fetched_at=now,
    )
