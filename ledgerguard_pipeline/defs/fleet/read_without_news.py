"""Entity types that a sweep read and found nothing new of, as Dagster is to know it.

A sweep records what changed, and an idle company is no event. So an entity type of which nothing
changes anywhere would look as if nobody kept it current. Once its last materialization is older
than the schedule promises, one company's cell is materialized for all: one event for each such
type and promise, however many companies there are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.freshness import NIGHTLY_SECONDS
from ledgerguard_pipeline.defs.keys import asset_key, derived_from, silver_key
from ledgerguard_pipeline.defs.partitions import current_cell
from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.health.entity_status import promised_seconds

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.ingestion.fleet import Visit


class ReadWithoutNews:
    """Collects the visits of one sweep; ``events`` are what has to be recorded at its end."""

    def __init__(self, settings: "Settings", names: CompanyNames) -> None:
        self._settings = settings
        self._names = names
        self._first: dict[str, str] = {}
        self._read: dict[str, int] = {}
        self._changed: set[str] = set()

    def add(self, visit: "Visit") -> None:
        """One company, whose changes were recorded already."""
        changed = {each.entity for each in visit.changed}
        self._changed |= changed
        for each in visit.result.results:
            if each.status == "ok" and each.entity not in changed:
                self._first.setdefault(each.entity, visit.realm_id)
                self._read[each.entity] = self._read.get(each.entity, 0) + 1

    def events(
        self, instance: dg.DagsterInstance, cells: dg.MultiPartitionsDefinition
    ) -> list[dg.AssetMaterialization]:
        """One for each asset that would look older than it is."""
        quiet = [entity_type(name) for name in self._first if name not in self._changed]
        wanted = [each for entity in quiet for each in self._assets(entity, cells)]
        if not wanted:
            return []
        now = datetime.now(UTC).timestamp()
        latest: dict[dg.AssetKey, float] = {}
        for record in instance.get_asset_records([key for key, _, _ in wanted]):
            entry = record.asset_entry
            if entry.last_materialization is not None:
                latest[entry.asset_key] = entry.last_materialization.timestamp
        return [
            event
            for key, promised, event in wanted
            # What was never materialized was never loaded: a first load records that itself.
            if key in latest and now - latest[key] > promised
        ]

    def _assets(
        self, entity: EntityType, cells: dg.MultiPartitionsDefinition
    ) -> Sequence[tuple[dg.AssetKey, float, dg.AssetMaterialization]]:
        realm, read = self._first[entity.name], self._read[entity.name]
        promised = promised_seconds(entity, self._settings.ledgerguard_sweep_minutes)
        metadata: Metadata = {
            **self._names.metadata(realm, entity.name),
            "companies_read": dg.MetadataValue.int(read),
            "note": dg.MetadataValue.text(
                f"A sweep read {read} {'company' if read == 1 else 'companies'}; nothing had changed."
            ),
        }
        cell = current_cell(cells, realm)
        found = [
            (key, promised, dg.AssetMaterialization(key, metadata=metadata, partition=cell))
            for key in (asset_key(entity), *map(asset_key, derived_from(entity)))
        ]
        if self._settings.ledgerguard_silver == "on":
            key = silver_key(entity)
            event = dg.AssetMaterialization(key, metadata=metadata, partition=realm)
            found.append((key, NIGHTLY_SECONDS, event))
        return found
