"""Compare Bronze with the sandbox's ground truth, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import duckdb

from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.handle import SandboxHandle
from ledgerguard_pipeline.values import RealmId, parse_realm


def realm_of(sandbox: SandboxHandle) -> RealmId:
    return parse_realm(sandbox.realm_id)


def sync(
    installation: Installation,
    entities: Iterable[EntityType] = ENTITIES,
    *,
    realm_id: RealmId | None = None,
    **options: object,
) -> SyncResult:
    """Sync the (only) connected company and return what happened."""
    realm = realm_id or installation.control.companies.list()[0].realm_id
    request = SyncRequest(realm, tuple(entities), **options)  # type: ignore[arg-type]  # as given
    with installation.service(realm).open_sync(request) as running:
        return running.run()


def stored(installation: Installation, entity: EntityType, realm_id: RealmId) -> dict[str, bytes]:
    """What the current view holds of one entity."""
    if entity.name not in installation.bronze.counts(realm_id):
        return {}
    _, rows = installation.bronze.sql(
        f"SELECT id, payload FROM bronze.\"{entity.table}_current\" WHERE realm_id = '{realm_id}'"
    )
    return {str(row[0]): str(row[1]).encode() for row in rows}


def differing(
    installation: Installation,
    sandbox: SandboxHandle,
    entities: Iterable[EntityType] = ENTITIES,
    realm_id: RealmId | None = None,
) -> dict[str, list[str]]:
    """Ids per entity whose bytes differ from the truth, missing and phantom ones included."""
    realm = realm_id or realm_of(sandbox)
    found: dict[str, list[str]] = {}
    for entity in entities:
        truth = sandbox.truth(entity.name, realm).bodies()
        mine = stored(installation, entity, realm)
        wrong = sorted(id for id in truth.keys() | mine.keys() if truth.get(id) != mine.get(id))
        if wrong:
            found[entity.name] = wrong
    return found


def states(installation: Installation, entity: EntityType, realm_id: RealmId) -> dict[str, str]:
    """The newest state of every object ever seen, the gone ones included."""
    _, rows = installation.bronze.sql(
        f'SELECT id, arg_max(state, loaded_at) FROM bronze."{entity.table}" '
        f"WHERE realm_id = '{realm_id}' GROUP BY id"
    )
    return {str(row[0]): str(row[1]) for row in rows}


def failures(result: SyncResult) -> dict[str, str | None]:
    return {each.entity: each.error for each in result.results if each.status == "failed"}


def rewind(installation: Installation, by: timedelta) -> None:
    """Let every watermark be older, as if the company had not been synced for so long."""
    with duckdb.connect(str(installation.settings.bronze_path)) as connection:
        connection.execute("UPDATE bronze.bronze._watermarks SET watermark = watermark - ?", [by])
