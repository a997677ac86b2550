"""Records that could not be stored: kept with their bytes, counted, resolved when they heal.

The same reject seen again only moves its ``last_seen_at``. It is resolved when a good version
of its object arrives, or when a complete walk of its entity type did not meet it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.write.deduplicate import Batch
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.bronze.write.transaction import Transaction
from ledgerguard_pipeline.members import without_signed_links

_TABLE = "_quarantine"
_COLUMNS = (
    "realm_id",
    "entity",
    "id",
    "reason",
    "payload",
    "payload_sha256",
    "source",
    "request_id",
    "run_id",
    "load_id",
    "fetched_at",
    "loaded_at",
    "last_seen_at",
)
_READ_QUARANTINE_OF = (
    "SELECT realm_id, entity, id, reason, payload_sha256 FROM _quarantine "
    "WHERE resolved_at IS NULL AND realm_id IN (SELECT unnest(?))"
)
_SEEN_AGAIN = (
    "UPDATE _quarantine SET last_seen_at = ? WHERE realm_id = ? AND entity = ? "
    "AND resolved_at IS NULL AND (id IS NOT DISTINCT FROM ?) AND reason = ? "
    "AND (payload_sha256 IS NOT DISTINCT FROM ?)"
)
_RESOLVE_IDS = (
    "UPDATE _quarantine SET resolved_at = ? WHERE realm_id = ? AND entity = ? "
    "AND resolved_at IS NULL AND id IN (SELECT unnest(?))"
)
_RESOLVE_UNSEEN = (
    "UPDATE _quarantine SET resolved_at = ? WHERE realm_id = ? AND entity = ? "
    "AND resolved_at IS NULL AND last_seen_at < ?"
)


class Quarantine:
    """What loads that are committed together add and resolve, each of another company or type."""

    def __init__(self, session: OpenStore, transaction: Transaction, loads: Sequence[Load]) -> None:
        self._session = session
        self._transaction = transaction
        self._connection = session.connection
        self._fresh: list[tuple[object, ...]] = []
        self._open: dict[tuple[str, str], set[tuple[str | None, str, str | None]]] = {}
        realms = sorted({str(load.realm_id) for load in loads})
        self._waiting: dict[str, dict[str, int]] = {realm: {} for realm in realms}
        if _TABLE in session.rowless:
            return
        rows = self._connection.execute(_READ_QUARANTINE_OF, [realms]).fetchall()
        for realm, entity, identity, reason, digest in rows:
            self._count(str(realm), str(entity))
            self._open.setdefault((str(realm), str(entity)), set()).add(
                (identity, str(reason), digest)
            )

    def settle(
        self, load: Load, batch: Batch, loaded_at: datetime, *, walked_since: datetime | None
    ) -> None:
        """Note a load's rejects and resolve what it proves healed.

        ``walked_since`` is given with what completes a walk, be it of one page: when it began.
        """
        realm, entity = str(load.realm_id), load.entity.name
        open_rows = self._open.get((realm, entity), set())
        fresh: dict[tuple[str | None, str, str | None], tuple[object, ...]] = {}
        for reject in batch.rejects:
            payload = None if reject.payload is None else without_signed_links(reject.payload)
            digest = None if payload is None else hashlib.sha256(payload).hexdigest()
            key = (reject.id, reject.reason, digest)
            if key in open_rows:
                self._later(_SEEN_AGAIN, loaded_at, realm, entity, reject.id, reject.reason, digest)
            else:
                fresh[key] = (
                    realm,
                    entity,
                    reject.id,
                    reject.reason,
                    payload,
                    digest,
                    reject.source.value,
                    reject.request_id,
                    None if load.run_id is None else str(load.run_id),
                    str(load.load_id),
                    reject.fetched_at,
                    loaded_at,
                    loaded_at,
                )
        rejected = {reject.id for reject in batch.rejects}
        healed = [
            identity
            for identity in {row[0] for row in open_rows}
            if identity is not None and identity in batch.newest and identity not in rejected
        ]
        if healed or (walked_since is not None and open_rows):
            self._waiting.pop(realm, None)  # how many are resolved is counted when all are
        if healed:
            self._later(_RESOLVE_IDS, loaded_at, realm, entity, healed)
        if walked_since is not None and open_rows:
            self._later(_RESOLVE_UNSEEN, loaded_at, realm, entity, walked_since)
        self._fresh += fresh.values()

    def save(self) -> Mapping[str, dict[str, int]]:
        """Write the rejects that were noted; how many wait by company and entity, where that is known."""
        self._transaction.later(
            partial(insert_rows, self._connection, _TABLE, _COLUMNS, self._fresh)
        )
        if self._fresh:
            self._session.rowless.discard(_TABLE)
        for realm, entity, *_ in self._fresh:
            self._count(str(realm), str(entity))
        return self._waiting

    def _later(self, statement: str, *values: object) -> None:
        self._transaction.later(partial(self._connection.execute, statement, list(values)))

    def _count(self, realm: str, entity: str) -> None:
        if realm in self._waiting:
            self._waiting[realm][entity] = self._waiting[realm].get(entity, 0) + 1
