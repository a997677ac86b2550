"""One asset per entity type: its table with those of its lines, taxes, links and the like.

The tables of an entity type change together, in one transaction, so they are one asset; its
columns and its checks name the tables. Silver is written by whatever writes Bronze, so the run
that loads an entity also records its Silver as materialized. Materializing the asset itself, by a
click or the job ``silver``, brings the company up to date if anything is missing, and runs the checks.

Decision 62 in docs/decisions.md.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.bronze.assets import arguments_of
from ledgerguard_pipeline.defs.bronze.checks import ReportedCheck, faults_of, noted
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import bronze_of, quickbooks_of
from ledgerguard_pipeline.defs.bronze.silver_results import outcomes, reported
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.freshness import nightly_policy
from ledgerguard_pipeline.defs.keys import SILVER_JOB, asset_key, silver_key
from ledgerguard_pipeline.defs.partitions import realm_partitions
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.silver.checks.check import SilverFinding, checks_of
from ledgerguard_pipeline.silver.layout import Table, tables_of
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:  # loading the definitions must stay quick: no DuckDB
    from ledgerguard_pipeline.bronze.store import BronzeStore


def build_silver_assets(entities: Sequence[EntityType]) -> list[dg.AssetsDefinition]:
    """The Silver assets of these entity types."""
    return [_silver_asset(entity) for entity in entities]


def build_silver_job(entities: Sequence[EntityType]) -> list[AssetJob]:
    """All Silver assets of a company: up to date and checked. None without Silver."""
    if not entities:
        return []
    return [
        dg.define_asset_job(
            current_site().name(SILVER_JOB),
            selection=dg.AssetSelection.assets(*map(silver_key, entities)),
            description="Check the typed tables of a company; bring them up to date if need be.",
            executor_def=dg.in_process_executor,
        )
    ]


def _silver_asset(entity: EntityType) -> dg.AssetsDefinition:
    tables = tables_of(entity)
    spec = current_site().spec(
        "silver",
        entity.table,
        f"silver_{entity.group.value}",
        dg.AssetSpec(
            silver_key(entity),
            deps=[asset_key(entity)],
            description=f"{tables.header.meaning} Tables: {_names(tables.tables)}.",
            kinds={"quickbooks", "duckdb", "table"},
            tags={"ledgerguard/kind": "silver"},
            metadata={
                "dagster/column_schema": _schema(tables.header),
                "dagster/table_name": f"silver.{entity.table}",
                **{f"columns of {table.name}": _schema(table) for table in tables.children},
                "quickbooks_entity": entity.name,
            },
            partitions_def=realm_partitions(),
            freshness_policy=nightly_policy(),
        ),
    )

    @dg.asset(
        **arguments_of(spec),
        check_specs=[
            dg.AssetCheckSpec(each.name, asset=spec.key, description=each.description)
            for each in checks_of(entity)
        ],
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def check_tables(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _materialize(context, bronze_of(context), entity)

    return check_tables


def _materialize(
    context: dg.AssetExecutionContext, duckdb: BronzeDuckDB, entity: EntityType
) -> dg.MaterializeResult[None]:
    from ledgerguard_pipeline.silver.checks.find import check_company
    from ledgerguard_pipeline.silver.rebuild import catch_up

    realm = parse_realm(context.partition_key)
    try:
        # Opening it lets the run give signs of life: Silver of a large company may take minutes.
        control = quickbooks_of(context).installation(context, duckdb).control
        store = _store(duckdb)
        catch_up(store, realm)
        findings = check_company(store, [entity], realm)[entity.name]
        counts = _counts(store, tables_of(entity).tables, realm)
        names = CompanyNames.read(control, current_settings())
        checks = _over_all(control, entity, realm, findings, names)
    except LedgerGuardError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        asset_key=silver_key(entity),
        metadata={
            **names.metadata(realm, entity.name),
            "dagster/partition_row_count": dg.MetadataValue.int(counts.get(entity.table, 0)),
            **{f"rows of {name}": dg.MetadataValue.int(rows) for name, rows in counts.items()},
        },
        check_results=[each.result(silver_key(entity)) for each in checks],
    )


def _store(duckdb: BronzeDuckDB) -> "BronzeStore":
    from ledgerguard_pipeline.bronze.open_store import open_bronze

    return open_bronze(
        current_settings(),
        connect=duckdb.connector(),
        lock_wait_seconds=duckdb.lock_wait_seconds,
    )


def _counts(store: "BronzeStore", tables: Sequence[Table], realm: str) -> dict[str, int]:
    from ledgerguard_pipeline.silver.tables import present_tables

    with store.workspace.read() as view:
        present = set() if view is None else present_tables(view.connection, view.catalog)
        counts = [
            f"SELECT '{table.name}', count(*) FROM silver.\"{table.name}\" WHERE realm_id = '{realm}'"
            for table in tables
            if table.name in present
        ]
        if view is None or not counts:
            return {}
        rows = view.connection.execute(" UNION ALL ".join(counts)).fetchall()
    return {str(name): int(rows) for name, rows in rows}


def _over_all(
    control: ControlPlane,
    entity: EntityType,
    realm: RealmId,
    findings: Sequence[SilverFinding],
    names: CompanyNames,
) -> list[ReportedCheck]:
    """The checks over all companies, with what was just found of this one."""
    found = outcomes(realm, findings)
    control.check_faults.judged(realm, noted(entity.name, found))
    faults = control.check_faults.read([entity.name])
    if realm not in {fault.realm_id for fault in faults}:
        # A company that is not connected (any more) is nobody's fault, but was asked for here.
        faults += faults_of(entity.name, found)
    return reported(entity, faults, found, names.by_realm)


def _names(tables: Sequence[Table]) -> str:
    return ", ".join(f"`silver.{table.name}`" for table in tables)


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.kind.sql, column.meaning) for column in table.columns
        ]
    )
