"""Whether Silver shows what Bronze holds, byte for byte, however Bronze came to hold it.

An update follows the notes that commits leave. Who restores a table, or edits one by hand, leaves none; a
comparison with Intuit's reports has to speak of what Bronze holds all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from ledgerguard_pipeline.bronze.statements import current, quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.silver.layout import SCHEMA
from ledgerguard_pipeline.silver.rebuild import catch_up, rebuild
from ledgerguard_pipeline.values import RealmId

_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() "
    f"AND schema_name = '{SCHEMA}'"
)
_log = structlog.get_logger(__name__)


def make_alike(store: BronzeStore, realm: RealmId | str, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Bring a company's tables up to date, and build those anew that show something else; their entity types.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old rows stay.
    """
    catch_up(store, str(realm), clock)
    with store.workspace.read() as view:
        found = [] if view is None else list(_unlike(view, str(realm)))
    if found:
        _log.warning("silver_differs_from_bronze", realm_id=str(realm), entities=found)
        rebuild(store, found, clock, realms=[realm])
    return found


def _unlike(view: View, realm: str) -> Iterator[str]:
    """The entity types of which a living object is missing, surplus, of another version or of other bytes."""
    there = {str(row[0]) for row in view.connection.execute(_TABLES).fetchall()}
    parts = [
        f"SELECT '{entity.name}' WHERE EXISTS (FROM (SELECT id, loaded_at, sha256(payload) AS digest "
        f"FROM ({current(entity.table, realm=True)}) WHERE payload IS NOT NULL) AS held FULL JOIN "
        f"(SELECT id, loaded_at, payload_sha256 AS digest FROM {SCHEMA}.{quoted(entity.table)} "
        "WHERE realm_id = $realm AND payload_sha256 IS NOT NULL) AS shown USING (id) "
        "WHERE held.loaded_at IS DISTINCT FROM shown.loaded_at "
        "OR held.digest IS DISTINCT FROM shown.digest)"
        for entity in ENTITIES
        if view.has(entity.table) and entity.table in there
    ]
    if parts:
        found = view.connection.execute(" UNION ALL ".join(parts), {"realm": realm}).fetchall()
        yield from (str(name) for (name,) in found)
