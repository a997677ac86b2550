"""One asset per entity type, all made by one factory from the registry.

A backfill makes one run per cell, so every run is one company's: it can be queued, tagged, retried
and blamed for itself. (``BackfillPolicy.single_run`` makes runs of one window of many companies.)
A range typed by hand may still cover many cells: they are grouped by company, and a company that
fails does not keep the others from being loaded. The figures of a load are on the newest of its
cells, so that sums over partitions stay true; the other cells it completed point there.

Decision 48 in docs/decisions.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterEvent

from ledgerguard_pipeline.control.company_state.check_faults import CheckFault
from ledgerguard_pipeline.defs.bronze.checks import (
    KnownChecks,
    ReportedCheck,
    check_names,
    check_specs,
    faults_of,
    judge,
)
from ledgerguard_pipeline.defs.bronze.columns import BRONZE_SCHEMA
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.grid import Grid, pointer, record
from ledgerguard_pipeline.defs.bronze.metadata import Loaded, Metadata, load_metadata
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import QuickBooks
from ledgerguard_pipeline.defs.bronze.silver_checks import tell
from ledgerguard_pipeline.defs.bronze.silver_record import silver_materializations
from ledgerguard_pipeline.defs.keys import asset_key
from ledgerguard_pipeline.defs.partitions import RealmCells, by_realm
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
        check_specs=check_specs(key),
    )
    def load_entity(
        context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _materialize(
            context,
            cells,
            Work(
                key,
                check_names(),
                lambda of: quickbooks.load(context, of, entity, duckdb),
                lambda: quickbooks.faults(context, entity.name, duckdb),
                entity.name,
                lambda: quickbooks.silver_checks(context, duckdb),
            ),
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
        check_specs=check_specs(key, derived=True),
    )
    def look_at_view(
        context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _materialize(
            context,
            cells,
            Work(
                key,
                check_names(derived=True),
                lambda of: quickbooks.look(context, of, derived, duckdb),
                lambda: quickbooks.faults(context, derived.name, duckdb),
                derived.name,
                lambda: quickbooks.silver_checks(context, duckdb),
            ),
        )

    return look_at_view


@dataclass(frozen=True, slots=True)
class Work:
    """What one step does: ``load`` for a company, then its ``checks`` by all companies' faults.

    ``silver`` names the entities whose Silver was judged, with their faults: not those of the step.
    """

    key: dg.AssetKey
    checks: Sequence[str]
    load: Callable[[RealmCells], Loaded]
    faults: Callable[[], Sequence[CheckFault] | None]
    entity: str
    silver: Callable[[], tuple[Sequence[str], Sequence[CheckFault]]]


def _materialize(
    context: dg.AssetExecutionContext, cells: dg.MultiPartitionsDefinition, work: Work
) -> dg.MaterializeResult[None]:
    done: list[tuple[RealmCells, Loaded]] = []
    errors: list[LedgerGuardError] = []
    for company in by_realm(cells, context.partition_keys):
        try:
            done.append((company, work.load(company)))
        except LedgerGuardError as error:  # the other companies go on
            errors.append(error)
    step, grid = context.get_step_execution_context(), Grid(context.instance, cells)
    reported = _reported(work, [loaded for _, loaded in done])
    for company, loaded in done:
        newest = company.keys[-1]
        found = {
            cell: pointer(company.realm_id, newest)
            for cell in grid.lacking(work.key, company.realm_id, loaded.covered, company.keys)
        }
        if errors:
            # The step fails, so Dagster records nothing for it: the companies that went well are
            # recorded here.
            found |= _by_cell(company, loaded)
        else:
            for cell, metadata in _by_cell(company, loaded).items():
                context.add_asset_metadata(metadata, partition_key=cell)
        record(
            step,
            f"{step.step.key}-{company.realm_id}",
            [
                *(
                    dg.AssetMaterialization(work.key, metadata=metadata, partition=cell)
                    for cell, metadata in found.items()
                ),
                *(silver_materializations(loaded.result) if loaded.silver else ()),
            ],
        )
    tell(step, *work.silver())
    if errors:
        for each in reported:
            DagsterEvent.asset_check_evaluation(step, each.evaluation(work.key))
        raise failure_of(errors)
    return dg.MaterializeResult(
        asset_key=work.key, check_results=[each.result(work.key) for each in reported]
    )


def _reported(work: Work, loads: Sequence[Loaded]) -> list[ReportedCheck]:
    outcomes = [outcome for loaded in loads for outcome in judge(loaded)]
    faults = work.faults()
    if faults is None:  # nothing is known of the other companies now
        faults = faults_of(work.entity, outcomes)
    company_status = KnownChecks.of(work.entity, faults, outcomes)
    return [company_status.reported(check) for check in work.checks]


def _by_cell(company: RealmCells, loaded: Loaded) -> dict[dg.MultiPartitionKey, Metadata]:
    *older, newest = company.keys
    return {
        **{cell: pointer(company.realm_id, newest) for cell in older},
        newest: load_metadata(loaded),
    }
