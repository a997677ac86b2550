"""Compare Bronze with the sandbox's ground truth, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

import duckdb

from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.ingestion.recorder import read_states
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
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


def held(
    installation: Installation, entities: Iterable[EntityType], realm_id: RealmId
) -> dict[str, dict[str, bytes]]:
    """What the current views hold, by entity name and id."""
    loaded = installation.bronze.counts(realm_id)
    found: dict[str, dict[str, bytes]] = {entity.name: {} for entity in entities}
    selects = [
        f"SELECT '{entity.name}', id, payload FROM bronze.\"{entity.table}_current\" "
        f"WHERE realm_id = '{realm_id}'"
        for entity in entities
        if entity.name in loaded
    ]
    if selects:
        for name, identity, payload in installation.bronze.sql(" UNION ALL ".join(selects))[1]:
            found[str(name)][str(identity)] = str(payload).encode()
    return found


def stored(installation: Installation, entity: EntityType, realm_id: RealmId) -> dict[str, bytes]:
    """What the current view holds of one entity."""
    return held(installation, [entity], realm_id)[entity.name]


def kept(bodies: dict[str, bytes]) -> dict[str, bytes]:
    """The truth as Bronze keeps it: everything but the signed links of attachments."""
    return {
        id: re.sub(rb'("TempDownloadUri":)"[^"]*"', rb'\1"left out: a signed link"', body)
        for id, body in bodies.items()
    }


def differing(
    installation: Installation,
    sandbox: SandboxHandle,
    entities: Sequence[EntityType] = ENTITIES,
    realm_id: RealmId | None = None,
) -> dict[str, list[str]]:
    """Ids per entity whose bytes differ from the truth, missing and phantom ones included."""
    realm = realm_id or realm_of(sandbox)
    mine = held(installation, entities, realm)
    wrong: dict[str, list[str]] = {}
    for name, rows in mine.items():
        truth = kept(sandbox.truth(name, realm).bodies())
        ids = sorted(id for id in truth.keys() | rows.keys() if truth.get(id) != rows.get(id))
        if ids:
            wrong[name] = ids
    return wrong


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
        connection.execute("UPDATE bronze._watermarks SET watermark = watermark - ?", [by])
    # The record in the control plane is as old: an older Bronze alone would be a restored copy.
    for company in installation.control.companies.list():
        states = read_states(installation.bronze, company.realm_id)
        installation.control.sync_states.rebuilt(company.realm_id, states)
