"""Records that could not be stored: kept with their bytes, counted, resolved when they heal.

The same reject seen again only moves its ``last_seen_at``. It is resolved when a good version
of its object arrives, or when a complete walk of its entity type did not meet it again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.write.deduplicate import Batch
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.members import without_signed_links

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


def settle(
    connection: duckdb.DuckDBPyConnection,
    load: Load,
    batch: Batch,
    loaded_at: datetime,
    *,
    swept_since: datetime | None,
) -> None:
    """Note this load's rejects and resolve what it proves healed.

    ``swept_since`` is given with the last step of a walk: when the walk began.
    """
    if not batch.newest and not batch.rejects and swept_since is None:
        return
    realm, entity = str(load.realm_id), load.entity.name
    open_rows = {
        (identity, str(reason), digest)
        for identity, reason, digest in connection.execute(
            statements.READ_QUARANTINE, [realm, entity]
        ).fetchall()
    }
    fresh: dict[tuple[str | None, str, str | None], tuple[object, ...]] = {}
    for reject in batch.rejects:
        payload = None if reject.payload is None else without_signed_links(reject.payload)
        digest = None if payload is None else hashlib.sha256(payload).hexdigest()
        key = (reject.id, reject.reason, digest)
        if key in open_rows:
            connection.execute(
                statements.SEEN_AGAIN, [loaded_at, realm, entity, reject.id, reject.reason, digest]
            )
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
    if healed:
        connection.execute(statements.RESOLVE_IDS, [loaded_at, realm, entity, healed])
    if swept_since is not None and open_rows:
        connection.execute(statements.RESOLVE_UNSEEN, [loaded_at, realm, entity, swept_since])
    insert_rows(connection, "_quarantine", _COLUMNS, list(fresh.values()))
