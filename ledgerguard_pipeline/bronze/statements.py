"""Every table and view of schema ``bronze``, and the statements of loading.

Figures for checks (``bronze/read``) and a lake's upkeep (``bronze/maintenance``) are SQL of one module each.
Names inside views are unqualified on purpose: DuckDB resolves them in the view's own schema, so they work under
any catalog name (DuckDB names it after the file). No keys, no indexes, no sequences: a backend without them
(DuckLake) can take the same statements. Decision 50 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.bronze import attachment_table, report_table
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity

SCHEMA = "bronze"
SCHEMA_VERSION = 3
"""3 (release 0.2.0): rows are kept in one form; ``_restatements``, ``_set_aside``, ``_healing``. Builds before
that release made layout 2, in which ``_reports`` called ``payload_sha256`` otherwise."""
FIRST_LAYOUT = "first_layout"
"""Key in ``_meta``: the layout a store was made with. Older stores have none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the version tables."""

    name: str
    type: str
    meaning: str


VERSION_COLUMNS: tuple[Column, ...] = (
    Column("realm_id", "VARCHAR", "Company; part of the key."),
    Column("id", "VARCHAR", "Intuit's object id; text, unique within its company only."),
    Column("sync_token", "VARCHAR", "Edit counter as sent."),
    Column("state", "VARCHAR", "active, inactive, voided, deleted or merged."),
    Column("merged_into", "VARCHAR", "Survivor's id after a merge."),
    Column("created_at", "TIMESTAMPTZ", "MetaData.CreateTime."),
    Column("last_updated_at", "TIMESTAMPTZ", "MetaData.LastUpdatedTime."),
    Column("payload", "VARCHAR", "The object byte for byte as sent; NULL where none was sent."),
    Column("payload_sha256", "VARCHAR", "SHA-256 of the payload's bytes, hexadecimal."),
    Column("source", "VARCHAR", "What announced it: query, cdc, webhook, read or reconcile."),
    Column("event_id", "VARCHAR", "Webhook event that caused the read."),
    Column("request_id", "VARCHAR", "Intuit's intuit_tid of the answer."),
    Column("run_id", "VARCHAR", "Dagster run."),
    Column("load_id", "VARCHAR", "Load; joins _loads."),
    Column("fetched_at", "TIMESTAMPTZ", "When the object was read from Intuit."),
    Column("loaded_at", "TIMESTAMPTZ", "When it was committed; rises with every version."),
)

SYSTEM_TABLES = {
    "_meta": "key VARCHAR, value VARCHAR",
    "_loads": (
        "load_id VARCHAR, realm_id VARCHAR, entity VARCHAR, mode VARCHAR, run_id VARCHAR, "
        "final BOOLEAN, fetched BIGINT, written BIGINT, deleted BIGINT, unchanged BIGINT, "
        "stale BIGINT, quarantined BIGINT, api_calls BIGINT, fetched_bytes BIGINT, "
        "watermark TIMESTAMPTZ, started_at TIMESTAMPTZ, loaded_at TIMESTAMPTZ"
    ),
    "_watermarks": (
        "realm_id VARCHAR, entity VARCHAR, watermark TIMESTAMPTZ, load_id VARCHAR, "
        "loaded_at TIMESTAMPTZ"
    ),
    "_quarantine": (
        "realm_id VARCHAR, entity VARCHAR, id VARCHAR, reason VARCHAR, payload BLOB, "
        "payload_sha256 VARCHAR, source VARCHAR, request_id VARCHAR, run_id VARCHAR, "
        "load_id VARCHAR, fetched_at TIMESTAMPTZ, loaded_at TIMESTAMPTZ, "
        "last_seen_at TIMESTAMPTZ, resolved_at TIMESTAMPTZ"
    ),
    "_fields": (
        "realm_id VARCHAR, entity VARCHAR, path VARCHAR, kind VARCHAR, baseline BOOLEAN, "
        "load_id VARCHAR, first_seen_at TIMESTAMPTZ"
    ),
    "_walks": (
        "realm_id VARCHAR, entity VARCHAR, walk_id VARCHAR, started_at TIMESTAMPTZ, "
        "cursor VARCHAR, rows BIGINT, done BOOLEAN, track_seen BOOLEAN, began_at TIMESTAMPTZ, "
        "saved_at TIMESTAMPTZ, load_id VARCHAR"
    ),
    "_walk_seen": "realm_id VARCHAR, entity VARCHAR, walk_id VARCHAR, id VARCHAR",
    "_restatements": (
        "realm_id VARCHAR, entity VARCHAR, id VARCHAR, why VARCHAR, load_id VARCHAR, "
        "loaded_at TIMESTAMPTZ"
    ),
    "_set_aside": ", ".join(
        (
            "entity VARCHAR",
            "why VARCHAR",
            *(f"{column.name} {column.type}" for column in VERSION_COLUMNS),
            "set_aside_at TIMESTAMPTZ",
        )
    ),
    "_healing": (
        "realm_id VARCHAR, step VARCHAR, entity VARCHAR, masked BIGINT, doubled BIGINT, "
        "partial BIGINT, healed_at TIMESTAMPTZ"
    ),
    report_table.NAME: report_table.DEFINITION,
    attachment_table.NAME: attachment_table.DEFINITION,
}

REPLACED = {
    "_watermarks": ("realm_id, entity", "watermark"),
    "_walks": ("realm_id, entity", "saved_at"),
}
"""Tables that hold one row for each key in a file; a lake only adds, and the newest counts."""

GONE = "('deleted', 'merged')"
_NAMES = ", ".join(column.name for column in VERSION_COLUMNS)
_EXPOSED = ", ".join(
    "exact AS payload" if column.name == "payload" else column.name for column in VERSION_COLUMNS
)
# A lone surrogate escape is legal JSON text but makes DuckDB's parser fail the whole statement;
# predicates look at a copy in which surrogate escapes are replaced by another escape.
_PARSABLE = r"regexp_replace(payload, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\u003f', 'g')"


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def derived_entity(name: str) -> DerivedEntity | None:
    """The derived entity of this name, in any case."""
    key = name.strip().casefold()
    return next((derived for derived in DERIVED if derived.name.casefold() == key), None)


def create_schema(catalog: str) -> str:
    return f"CREATE SCHEMA {quoted(catalog)}.{SCHEMA}"


def search_path(catalog: str) -> str:
    return f"SET search_path = '{catalog}.{SCHEMA}'"


def checkpoint(catalog: str) -> str:
    return f"CHECKPOINT {quoted(catalog)}"


def create_system_tables(names: Collection[str] = SYSTEM_TABLES.keys()) -> list[str]:
    return [
        f"CREATE TABLE {name} ({columns})"
        for name, columns in SYSTEM_TABLES.items()
        if name in names
    ]


def create_entity(entity: str, table: str, *, lake: bool) -> list[str]:
    """The version table of an entity type, its current view and the views derived from it.

    In a lake somebody else may have made them since they were looked for.
    """
    columns = ", ".join(
        f"{column.name} {column.type}"
        # ZSTD halves file and checkpoint work against DuckDB's own choice for JSON texts.
        # A lake takes it for whole files only, see ``bronze/backends/ducklake_connections.py``.
        + (" USING COMPRESSION zstd" if column.name == "payload" and not lake else "")
        for column in VERSION_COLUMNS
    )
    statements = [
        f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({columns})",
        f"CREATE VIEW IF NOT EXISTS {quoted(table + '_current')} AS {current(table)}",
    ]
    for derived in DERIVED:
        if derived.base == entity:
            for suffix in ("", "_current"):
                body = derived_rows(derived, f"SELECT * FROM {quoted(table + suffix)}")
                view = quoted(derived.table + suffix)
                statements.append(f"CREATE VIEW IF NOT EXISTS {view} AS {body}")
    return statements


def _where(*, realm: bool, until: bool) -> str:
    conditions = [
        text
        for text, wanted in (("realm_id = $realm", realm), ("loaded_at <= $until", until))
        if wanted
    ]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def newest(table: str, *, realm: bool = False, until: bool = False) -> str:
    """The newest version of every object, tombstones included.

    ``realm`` restricts to ``$realm``, ``until`` to what was committed at or before ``$until``.
    """
    where = _where(realm=realm, until=until)
    return (
        f"SELECT {_NAMES} FROM {quoted(table)} SEMI JOIN "
        f"(SELECT realm_id, id, max(loaded_at) AS loaded_at FROM {quoted(table)}{where} "
        f"GROUP BY realm_id, id) USING (realm_id, id, loaded_at)"
    )


def current(table: str, *, realm: bool = False, until: bool = False) -> str:
    """The newest version of every object that is not deleted or merged."""
    return f"{newest(table, realm=realm, until=until)} WHERE state NOT IN {GONE}"


def derived_rows(derived: DerivedEntity, rows: str) -> str:
    """Those of ``rows`` (a SELECT over the base table) that belong to the derived entity.

    A payload DuckDB cannot parse is left out instead of failing the query.
    """
    return (
        f"SELECT {_EXPOSED} FROM (SELECT * REPLACE ({_PARSABLE} AS payload), payload AS exact "
        f"FROM ({rows})) WHERE coalesce(TRY({derived.predicate}), false)"
    )


def _qualified(catalog: str, table: str) -> str:
    return f"{quoted(catalog)}.{SCHEMA}.{quoted(table)}"


def _counting(catalog: str, table: str) -> str:
    """The rows of a table that count: a lake also keeps bookkeeping that is outdated."""
    key = REPLACED.get(table)
    newest_first = (
        ""
        if key is None
        else f" QUALIFY row_number() OVER (PARTITION BY {key[0]} ORDER BY {key[1]} DESC) = 1"
    )
    return f"SELECT * FROM {_qualified(catalog, table)}{newest_first}"


def copy_rows(table: str, source: str, target: str) -> str:
    return f"INSERT INTO {_qualified(target, table)} BY NAME {_counting(source, table)}"


def content_of(table: str, catalog: str) -> str:
    """Rows, the sum of their hashes, and payloads that differ from their digest."""
    damaged = (
        "0"
        if table.startswith("_")
        else "count(*) FILTER (payload_sha256 IS DISTINCT FROM sha256(payload))"
    )
    return (
        f"SELECT count(*), sum(hash(each)::HUGEINT), {damaged} "
        f"FROM ({_counting(catalog, table)}) each"
    )


def newest_headers(table: str, realms: int) -> str:
    """Headers of the newest stored versions of the keys in ``incoming``, of so many companies.

    The companies are bound as well, so that row groups without them are not read.
    """
    return (
        "SELECT realm_id, id, state, epoch_us(last_updated_at), sync_token, epoch_us(fetched_at), "
        "payload_sha256, merged_into, "
        f"epoch_us(max(CASE WHEN state NOT IN {GONE} THEN last_updated_at END) "
        "OVER (PARTITION BY realm_id, id)) "
        f"FROM {quoted(table)} SEMI JOIN incoming USING (realm_id, id) "
        f"WHERE realm_id IN ({', '.join('?' * realms)}) "
        "QUALIFY row_number() OVER (PARTITION BY realm_id, id ORDER BY loaded_at DESC) = 1"
    )


def stored_versions(table: str) -> str:
    return (
        "SELECT id, state, last_updated_at, fetched_at, sync_token, merged_into, payload_sha256 "
        f"FROM {quoted(table)} WHERE realm_id = $realm AND id IN (SELECT unnest($ids)) "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY loaded_at DESC) = 1"
    )


def append(table: str) -> str:
    return f"INSERT INTO {quoted(table)} ({_NAMES}) SELECT {_NAMES} FROM incoming"


def insert(table: str, columns: Sequence[str], rows: int) -> str:
    one = "(" + ", ".join("?" * len(columns)) + ")"
    names = ", ".join(quoted(column) for column in columns)
    return f"INSERT INTO {table} ({names}) VALUES " + ", ".join([one] * rows)


def insert_lists(table: str, columns: Sequence[str]) -> str:
    """A row for each element of the bound lists, one list a column."""
    names = ", ".join(quoted(column) for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT " + ", ".join(["unnest(?)"] * len(columns))


def insert_from(source: str, table: str, columns: Sequence[str]) -> str:
    names = ", ".join(quoted(column) for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {source}"


def count_rows(rows: str) -> str:
    return f"SELECT count(*) FROM ({rows})"


def unseen(table: str) -> str:
    """Living objects the walk did not meet and nothing else brought since it began."""
    return (
        f"SELECT id FROM ({current(table, realm=True)}) newest_version "
        "WHERE loaded_at < $began_at AND id NOT IN (SELECT id FROM _walk_seen "
        "WHERE realm_id = $realm AND entity = $entity AND walk_id = $walk) ORDER BY id"
    )


def all_rows(
    table: str, columns: Iterable[str], derived: DerivedEntity | None, *, realm: bool, until: bool
) -> str:
    """The living objects with their payloads, in no order (sorting payloads would spill)."""
    rows = current(table, realm=realm, until=until)
    if derived is not None:
        rows = derived_rows(derived, rows)
    return f"SELECT {', '.join(columns)}, payload FROM ({rows})"


def latest_rows(
    table: str,
    columns: Iterable[str],
    derived: DerivedEntity | None,
    limit: int,
    *,
    realm: bool,
    until: bool,
) -> str:
    """The ``limit`` most recently updated living objects.

    Picked by row number first: payloads are then read for the picked rows only, which on a
    million rows is the difference between a fifth of a second and many.
    """
    where = _where(realm=realm, until=until)
    picked = (
        "SELECT position FROM (SELECT id, arg_max(rowid, loaded_at) AS position, "
        "arg_max(state, loaded_at) AS state, "
        "arg_max_null(last_updated_at, loaded_at) AS last_updated_at "
        f"FROM {quoted(table)}{where} GROUP BY realm_id, id) WHERE state NOT IN {GONE}"
    )
    if derived is not None:
        picked = (
            f"SELECT position FROM (SELECT rowid AS position, id, last_updated_at, {_PARSABLE} "
            f"AS payload FROM {quoted(table)} WHERE rowid IN ({picked})) "
            f"WHERE coalesce(TRY({derived.predicate}), false)"
        )
    order = "ORDER BY last_updated_at DESC NULLS LAST, length(id) DESC, id DESC"
    return (
        f"SELECT {', '.join(columns)}, payload FROM {quoted(table)} "
        f"WHERE rowid IN ({picked} {order} LIMIT {int(limit)}) {order}"
    )


READ_WALK = (
    "SELECT walk_id, started_at, cursor, rows, done, track_seen, began_at, saved_at "
    "FROM _walks WHERE realm_id = ? AND entity = ? ORDER BY saved_at DESC LIMIT 1"
)
READ_UNFINISHED_WALKS_OF = (
    "SELECT realm_id, entity, walk_id, started_at, cursor, rows, done, track_seen, began_at, "
    "saved_at FROM (FROM _walks WHERE realm_id IN (SELECT unnest(?)) QUALIFY row_number() "
    "OVER (PARTITION BY realm_id, entity ORDER BY saved_at DESC) = 1) WHERE NOT done"
)
# In a lake there may be several rows for one entity: the highest counts.
READ_WATERMARKS = (
    "SELECT entity, max(watermark) FROM _watermarks WHERE realm_id = ? GROUP BY entity"
)
READ_WATERMARKS_OF = (
    "SELECT realm_id, entity, max(watermark) FROM _watermarks "
    "WHERE realm_id IN (SELECT unnest(?)) GROUP BY realm_id, entity"
)
FORGET_WATERMARKS = (
    "DELETE FROM _watermarks WHERE (realm_id, entity) IN (SELECT unnest(?), unnest(?))"
)
COUNT_WATERMARKS = "SELECT count(*) FROM _watermarks WHERE loaded_at = ?"
SET_LAYOUT = "UPDATE _meta SET value = ? WHERE key = 'schema_version'"
READ_META = "SELECT key, value FROM _meta"
READ_TABLES = "SELECT database_name, schema_name, table_name FROM duckdb_tables()"
FIND_CATALOG = "SELECT path, database_name FROM duckdb_databases()"
FIND_SCHEMA = "SELECT database_name, schema_name FROM duckdb_schemas()"
LATEST_COMMIT = "SELECT max(loaded_at) FROM _loads"
VERIFY_LOADS = (
    "SELECT load_id, realm_id, entity, epoch_us(loaded_at) FROM _loads WHERE loaded_at >= ?"
)
READ_FIELDS = "SELECT entity, path, kind FROM _fields WHERE entity IN (SELECT unnest(?))"
COUNT_QUARANTINE = (
    "SELECT entity, count(*) FROM _quarantine WHERE realm_id = ? AND resolved_at IS NULL "
    "GROUP BY entity ORDER BY entity"
)
COUNT_QUARANTINE_OF = (
    "SELECT realm_id, entity, count(*) FROM _quarantine WHERE resolved_at IS NULL "
    "AND realm_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY realm_id, entity"
)
LAST_LOADS = (
    "SELECT load_id, entity, arg_max(mode, loaded_at), arg_max(run_id, loaded_at), "
    "bool_or(final), sum(fetched)::BIGINT, sum(written)::BIGINT, sum(deleted)::BIGINT, "
    "sum(unchanged)::BIGINT, sum(stale)::BIGINT, sum(quarantined)::BIGINT, "
    "sum(api_calls)::BIGINT, sum(fetched_bytes)::BIGINT, max(watermark), min(started_at), "
    "max(loaded_at) FROM _loads SEMI JOIN (SELECT entity, arg_max(load_id, loaded_at) AS load_id "
    "FROM _loads WHERE realm_id = $realm GROUP BY entity) USING (entity, load_id) "
    "WHERE realm_id = $realm GROUP BY load_id, entity ORDER BY entity"
)
