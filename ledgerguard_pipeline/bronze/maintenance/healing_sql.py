"""The statements of healing; tables come from the registry, every value is bound."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.statements import FIRST_LAYOUT, GONE, VERSION_COLUMNS, quoted
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.members import ALWAYS, SIGNED_LINKS

_NAMES = ", ".join(column.name for column in VERSION_COLUMNS)
_ROWS = (
    "realm_id = $realm AND (id, loaded_at) IN "
    "(SELECT unnest($ids::VARCHAR[]), unnest($times::TIMESTAMPTZ[]))"
)

EVERYBODY = "*"
"""Instead of a company: nothing in the store was written by a release that doubled rows."""
HEALED = (
    "SELECT realm_id FROM _healing WHERE step = ? AND entity IS NULL "
    f"UNION ALL SELECT '{EVERYBODY}' FROM _meta WHERE key = '{FIRST_LAYOUT}' AND value <> '1'"
)
NOTED = "SELECT id, loaded_at FROM _restatements WHERE realm_id = ? AND entity = ?"
SET_ASIDE = "SELECT count(*) FROM _set_aside WHERE realm_id = ? AND entity = ?"
QUARANTINED_IDS = (
    "SELECT entity, list(DISTINCT id ORDER BY id) FROM _quarantine WHERE realm_id = ? "
    "AND resolved_at IS NULL AND id IS NOT NULL GROUP BY entity"
)
QUARANTINED_LINKS = (
    "SELECT payload_sha256, payload FROM _quarantine WHERE realm_id = ? AND entity = ? "
    "AND payload IS NOT NULL AND contains(payload::VARCHAR, 'TempDownloadUri')"
)
MASK_QUARANTINED = (
    "UPDATE _quarantine SET payload = ?, payload_sha256 = sha256(?::BLOB) "
    "WHERE realm_id = ? AND entity = ? AND payload_sha256 = ?"
)


def perhaps_partial(entity: EntityType) -> str:
    """Rows that may be stubs, by what their bytes contain; a superset of those that are."""
    signs = ["contains(payload, '\"status\"')", 'regexp_matches(payload, \'"sparse"\\s*:\\s*"?t\')']
    signs += [f"NOT contains(payload, '\"{name}\"')" for name in ALWAYS.get(entity.name, ())]
    return (
        "SELECT payload, source, fetched_at, loaded_at, newest FROM (SELECT *, loaded_at = "
        "max(loaded_at) OVER (PARTITION BY id) AS newest FROM (SELECT id, payload, source, "
        f"fetched_at, loaded_at, state FROM {quoted(entity.table)} WHERE realm_id = ?)) "
        f"WHERE state NOT IN {GONE} AND payload IS NOT NULL AND ({' OR '.join(signs)})"
    )


def doubled_ids(entity: EntityType, *, noted: bool) -> str:
    """Objects with a version that several rows show; with ``noted`` only where no reason is."""
    reasons = (
        f"ANTI JOIN (SELECT realm_id, id, loaded_at FROM _restatements WHERE entity = "
        f"'{entity.name}') USING (realm_id, id, loaded_at) "
        if noted
        else ""
    )
    return (
        f"SELECT DISTINCT id FROM (SELECT id FROM {quoted(entity.table)} {reasons}"
        "WHERE realm_id = ? "
        f"AND state NOT IN {GONE} AND last_updated_at IS NOT NULL "
        "GROUP BY id, last_updated_at, sync_token HAVING count(*) > 1) ORDER BY id"
    )


def versions_of(entity: EntityType) -> str:
    """Every row of some objects, tombstones included, in the order of their commits."""
    return (
        "SELECT id, loaded_at, state, source, sync_token, last_updated_at, load_id, payload "
        f"FROM {quoted(entity.table)} WHERE realm_id = ? "
        "AND id IN (SELECT unnest(?::VARCHAR[])) ORDER BY id, loaded_at"
    )


def with_links(entity: EntityType) -> str:
    """Rows that may hold signed links."""
    conditions = " OR ".join(f"contains(payload, '\"{name}\"')" for name in SIGNED_LINKS)
    return (
        f"SELECT id, loaded_at, payload FROM {quoted(entity.table)} "
        f"WHERE realm_id = ? AND ({conditions})"
    )


def rewrite(entity: EntityType) -> str:
    """Other bytes for rows named by id and commit time, with their digest."""
    return (
        f"UPDATE {quoted(entity.table)} AS kept SET payload = masked.payload, "
        "payload_sha256 = sha256(masked.payload) FROM (SELECT unnest(?::VARCHAR[]) AS id, "
        "unnest(?::TIMESTAMPTZ[]) AS loaded_at, unnest(?::VARCHAR[]) AS payload) AS masked "
        "WHERE kept.realm_id = ? AND kept.id = masked.id AND kept.loaded_at = masked.loaded_at"
    )


def keep_aside(entity: EntityType) -> str:
    """Copy rows to where they are kept but no longer counted as versions."""
    return (
        f"INSERT INTO _set_aside (entity, why, {_NAMES}, set_aside_at) "
        f"SELECT $entity, $why, {_NAMES}, $now FROM {quoted(entity.table)} WHERE {_ROWS}"
    )


def remove(entity: EntityType) -> str:
    """Take rows out of the history."""
    return f"DELETE FROM {quoted(entity.table)} WHERE {_ROWS}"
