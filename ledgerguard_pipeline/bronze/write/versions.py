"""The newest stored versions of some objects, and why a version has a second row.

Decision 54 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.loads import Load, StoredVersion
from ledgerguard_pipeline.bronze.write.arrow_rows import id_table
from ledgerguard_pipeline.bronze.write.differences import Difference
from ledgerguard_pipeline.values import State

_NOTE = (
    "INSERT INTO _restatements (realm_id, entity, id, why, load_id, loaded_at) "
    "SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), ?, ?"
)


def stored_versions(
    connection: duckdb.DuckDBPyConnection, table: str, realm: str, ids: Sequence[str]
) -> dict[str, StoredVersion]:
    """Headers by id, tombstones included; ids Bronze never met are left out."""
    rows = connection.execute(
        statements.stored_versions(table), {"realm": realm, "ids": list(ids)}
    ).fetchall()
    return {
        str(identity): StoredVersion(
            state=State(state),
            last_updated_at=updated,
            fetched_at=fetched,
            sync_token=token,
            merged_into=merged_into,
            payload_sha256=digest,
        )
        for identity, state, updated, fetched, token, merged_into, digest in rows
    }


def newest_payloads(
    connection: duckdb.DuckDBPyConnection, load: Load, ids: Sequence[str]
) -> dict[str, bytes]:
    """Payloads of the newest stored versions by id; objects without one are left out."""
    connection.register("incoming", id_table(ids))
    try:
        rows = connection.execute(
            f"SELECT id, payload FROM {statements.quoted(load.entity.table)} "  # registry
            "WHERE realm_id = $realm AND id IN (SELECT id FROM incoming) "
            "QUALIFY row_number() OVER (PARTITION BY id ORDER BY loaded_at DESC) = 1",
            {"realm": str(load.realm_id)},
        ).fetchall()
    finally:
        connection.unregister("incoming")
    return {str(id): str(payload).encode() for id, payload in rows if payload is not None}


def note_restatements(
    connection: duckdb.DuckDBPyConnection,
    load: Load,
    restated: Mapping[str, Difference],
    loaded_at: datetime,
) -> None:
    """Note why rows are written whose version Bronze held already."""
    if restated:
        why = [each.value for each in restated.values()]
        key = (str(load.realm_id), load.entity.name)
        load_id = str(load.load_id)
        connection.execute(_NOTE, [*key, list(restated), why, load_id, loaded_at])
