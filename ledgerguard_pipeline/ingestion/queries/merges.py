"""Documents that name a member of a list which was merged into another one.

After a merge they name the survivor. Whether their times move then no page says and nobody has shown;
if not, no change announces them, and Bronze would go on naming an object that is gone. So before the
end of a member is stored, what Bronze holds that names it is queried by id, and stored as it is shown.
In that order a process that dies in between repeats it.

Decision 103 in docs/decisions.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice

import structlog

from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.read.naming import naming
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import LedgerGuardError, Transient
from ledgerguard_pipeline.ingestion.queries.whole_objects import announced, ask, settle
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.intuit_limits import ROWS_PER_BATCH
from ledgerguard_pipeline.values import LoadId, Mode, RealmId, Record, State

_log = structlog.get_logger(__name__)


def documents_of_merged(
    client: QBOClient,
    store: BronzeStore,
    realm_id: RealmId,
    entity: EntityType,
    records: Iterable[Record],
    *,
    clock: Clock,
    run_id: str | None,
) -> Iterator[list[Load]]:
    """What names those of these records that ended in a merge, read again: to be committed first.

    A type that cannot be read for a reason that stays is left as it is, and logged.

    Raises:
        LedgerGuardError: reading failed for a reason that passes; the end must not be stored yet.
    """
    losers = [record.id for record in records if record.state is State.MERGED]
    if not losers:
        return
    with store.workspace.read() as view:
        named = (
            {} if view is None else naming(view.connection, view.present, realm_id, entity, losers)
        )
    rest = iter([(kind, id) for kind, ids in named.items() for id in ids])
    while part := list(islice(rest, ROWS_PER_BATCH)):
        wanted: dict[EntityType, list[str]] = {}
        for kind, id in part:
            wanted.setdefault(kind, []).append(id)
        shown = ask(client, wanted)
        loads: list[Load] = []
        for kind, ids in wanted.items():
            try:
                if (error := shown[kind.name].error) is not None:
                    raise error
                rows = [announced(id, clock.now()) for id in ids]
                found = settle(client, shown[kind.name], rows).records
            except LedgerGuardError as error:
                if isinstance(error, Transient):
                    raise
                _log.warning(
                    "documents_of_merged_not_read",
                    realm_id=realm_id,
                    entity=kind.name,
                    reason=error.message,
                )
                continue
            if found:
                loads.append(_load(realm_id, kind, found, clock, run_id))
        yield loads


def _load(
    realm_id: RealmId, kind: EntityType, found: list[Record], clock: Clock, run_id: str | None
) -> Load:
    return Load(
        load_id=LoadId(uuid.uuid4().hex),
        realm_id=realm_id,
        entity=kind,
        mode=Mode.QUERY,
        run_id=run_id,
        records=found,
        started_at=clock.now(),
    )
