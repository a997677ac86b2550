"""One asset per entity type, all made by one factory from the registry.

An asset may cover many cells in one run: they are grouped by company, and a company that fails
does not keep the others from being loaded. The figures of a load stand on the newest of its
cells, so that sums over partitions stay true; the older cells point there.
"""

import warnings
from collections.abc import Callable, Sequence

import dagster as dg

from ledgerguard_pipeline.defs.bronze_duckdb import BronzeDuckDB
from ledgerguard_pipeline.defs.columns import BRONZE_SCHEMA
from ledgerguard_pipeline.defs.failures import failure_of
from ledgerguard_pipeline.defs.keys import asset_key
from ledgerguard_pipeline.defs.partitions import RealmCells, by_realm
from ledgerguard_pipeline.defs.quickbooks import QuickBooks
from ledgerguard_pipeline.defs.reports import (
    Loaded,
    Metadata,
    check_results,
    check_specs,
    load_metadata,
)
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import LedgerGuardError

OWNERS = ["team:finance-data"]
KINDS = {"quickbooks", "duckdb"}


def build_assets(
    entities: Sequence[EntityType], cells: dg.MultiPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets of these entities and of what is derived from them."""
    names = {entity.name for entity in entities}
    derived = [each for each in DERIVED if each.base in names]
    with warnings.catch_warnings():
        # BackfillPolicy is beta in 1.13; the package filters this too, but tests reset filters.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [
            *(_entity_asset(entity, cells) for entity in entities),
            *(_derived_asset(each, cells) for each in derived),
        ]


def _entity_asset(entity: EntityType, cells: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    key = asset_key(entity)

    @dg.asset(
        key=key,
        group_name=entity.group.value,
        description=entity.description,
        kinds=KINDS,
        owners=OWNERS,
        tags={
            "ledgerguard/kind": entity.kind.value,
            "ledgerguard/changes": "cdc" if entity.cdc else "query",
        },
        metadata={
            "dagster/column_schema": BRONZE_SCHEMA,
            "dagster/table_name": f"bronze.{entity.table}",
            "quickbooks_entity": entity.name,
        },
        partitions_def=cells,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(key),
    )
    def load_entity(
        context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _materialize(
            context, cells, key, lambda of: quickbooks.load(context, of, entity, duckdb)
        )

    return load_entity


def _derived_asset(
    derived: DerivedEntity, cells: dg.MultiPartitionsDefinition
) -> dg.AssetsDefinition:
    key = asset_key(derived)

    @dg.asset(
        key=key,
        deps=[asset_key(entity_type(derived.base))],
        group_name=derived.group.value,
        description=derived.description,
        kinds={"duckdb", "view"},
        owners=OWNERS,
        tags={"ledgerguard/kind": "view"},
        metadata={
            "dagster/column_schema": BRONZE_SCHEMA,
            "dagster/table_name": f"bronze.{derived.table}",
            "quickbooks_entity": derived.base,
        },
        partitions_def=cells,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(key, derived=True),
    )
    def look_at_view(
        context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _materialize(
            context, cells, key, lambda of: quickbooks.look(context, of, derived, duckdb)
        )

    return look_at_view


def _materialize(
    context: dg.AssetExecutionContext,
    cells: dg.MultiPartitionsDefinition,
    key: dg.AssetKey,
    load: Callable[[RealmCells], Loaded],
) -> dg.MaterializeResult[None]:
    done: list[tuple[RealmCells, Loaded]] = []
    errors: list[LedgerGuardError] = []
    for company in by_realm(cells, context.partition_keys):
        try:
            done.append((company, load(company)))
        except LedgerGuardError as error:  # the other companies go on
            errors.append(error)
    if errors:
        # The step fails, so Dagster records nothing for it: the companies that went well are
        # recorded here.
        for company, loaded in done:
            for cell, metadata in _by_cell(company, loaded):
                context.log_event(dg.AssetMaterialization(key, metadata=metadata, partition=cell))
        raise failure_of(errors)
    for company, loaded in done:
        for cell, metadata in _by_cell(company, loaded):
            context.add_asset_metadata(metadata, partition_key=cell)
    return dg.MaterializeResult(
        asset_key=key, check_results=check_results([loaded for _, loaded in done], key)
    )


def _by_cell(company: RealmCells, loaded: Loaded) -> list[tuple[dg.MultiPartitionKey, Metadata]]:
    *older, newest = company.keys
    pointer: Metadata = {
        "realm": dg.MetadataValue.text(company.realm_id),
        "loaded_with": dg.MetadataValue.text(f"The figures of this load stand on {newest}."),
    }
    return [*((cell, pointer) for cell in older), (newest, load_metadata(loaded))]
