"""One asset per entity type, all made by one factory from the registry.

A backfill makes one run per cell, so every run is one company's: it can be queued, tagged, retried
and blamed for itself. (``BackfillPolicy.single_run`` makes runs of one window of many companies.)
A range typed by hand may still cover many cells: they are grouped by company, and a company that
fails does not keep the others from being loaded. The figures of a load are on the newest of its
cells, so that sums over partitions stay true; the other cells it completed point there.

Decision 48 in docs/decisions.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import dagster as dg
from dagster import DagsterEvent

from ledgerguard_pipeline.bronze.statements import VERSION_COLUMNS
from ledgerguard_pipeline.control.company_state.check_faults import CheckFault
from ledgerguard_pipeline.defs.bronze.checks import (
    KnownChecks,
    ReportedCheck,
    check_names,
    check_specs,
    faults_of,
    judge,
)
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.grid import Grid, pointer, pointers
from ledgerguard_pipeline.defs.bronze.metadata import Loaded, Metadata, load_metadata
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import bronze_of, quickbooks_of
from ledgerguard_pipeline.defs.bronze.silver_results import silver_materializations, tell
from ledgerguard_pipeline.defs.freshness import entity_policy
from ledgerguard_pipeline.defs.instance.step_events import record
from ledgerguard_pipeline.defs.keys import asset_key, connection_key
from ledgerguard_pipeline.defs.partitions import RealmCells, asked_for_at, by_realm
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import LedgerGuardError

KINDS = {"quickbooks", "duckdb"}
BRONZE_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn(name=column.name, type=column.type, description=column.meaning)
        for column in VERSION_COLUMNS
    ]
)
"""The columns of a Bronze table as the asset catalogue shows them."""


class AssetArguments(TypedDict):
    """What ``dg.asset`` takes of a spec."""

    key: dg.AssetKey
    group_name: str | None
    description: str | None
    kinds: set[str]
    owners: Sequence[str]
    tags: Mapping[str, str]
    metadata: Mapping[str, object]
    partitions_def: dg.PartitionsDefinition[str] | None
    automation_condition: "dg.AutomationCondition[Any] | None"
    freshness_policy: dg.FreshnessPolicy | None
    deps: Sequence[dg.AssetDep]


def arguments_of(spec: dg.AssetSpec) -> AssetArguments:
    """The spec as arguments of the decorator."""
    return AssetArguments(
        key=spec.key,
        group_name=spec.group_name,
        description=spec.description,
        kinds=spec.kinds,
        owners=spec.owners,
        tags={name: text for name, text in spec.tags.items() if not name.startswith(_KIND_TAG)},
        metadata=spec.metadata,
        partitions_def=spec.partitions_def,
        automation_condition=spec.automation_condition,
        freshness_policy=spec.freshness_policy,
        deps=list(spec.deps),
    )


_KIND_TAG = "dagster/kind/"


def build_assets(
    entities: Sequence[EntityType], cells: dg.MultiPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets of these entities and of what is derived from them, a step each."""
    return [_asset(each, spec, cells) for each, spec in bronze_specs(entities, cells)]


def bronze_specs(
    entities: Sequence[EntityType], cells: dg.MultiPartitionsDefinition
) -> list[tuple[EntityType | DerivedEntity, dg.AssetSpec]]:
    """The assets as they are shown: entities, then what is derived from them."""
    names = {entity.name for entity in entities}
    derived = [each for each in DERIVED if each.base in names]
    return [
        *((entity, _entity_spec(entity, cells)) for entity in entities),
        *((each, _derived_spec(each, cells)) for each in derived),
    ]


def _entity_spec(entity: EntityType, cells: dg.MultiPartitionsDefinition) -> dg.AssetSpec:
    return current_site().spec(
        "bronze",
        entity.table,
        entity.group.value,
        dg.AssetSpec(
            asset_key(entity),
            deps=[connection_key()],
            description=entity.description,
            kinds=KINDS,
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
            freshness_policy=entity_policy(entity),
        ),
    )


def _derived_spec(derived: DerivedEntity, cells: dg.MultiPartitionsDefinition) -> dg.AssetSpec:
    return current_site().spec(
        "bronze",
        derived.table,
        derived.group.value,
        dg.AssetSpec(
            asset_key(derived),
            deps=[asset_key(entity_type(derived.base))],
            description=derived.description,
            kinds={"duckdb", "view"},
            tags={"ledgerguard/kind": "view"},
            metadata={
                "dagster/column_schema": BRONZE_SCHEMA,
                "dagster/table_name": f"bronze.{derived.table}",
                "quickbooks_entity": derived.base,
            },
            partitions_def=cells,
            freshness_policy=entity_policy(entity_type(derived.base)),
        ),
    )


def _asset(
    entity: EntityType | DerivedEntity, spec: dg.AssetSpec, cells: dg.MultiPartitionsDefinition
) -> dg.AssetsDefinition:
    @dg.asset(
        **arguments_of(spec),
        output_required=False,
        check_specs=check_specs(spec.key, derived=isinstance(entity, DerivedEntity)),
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def load_entity(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # Dagster reads the bare name only
        done = perform(context, cells, work_of(context, entity))
        if done.errors:
            done.report(context)
            raise failure_of(done.errors)
        yield from done.results(done.reported)

    return load_entity


@dataclass(frozen=True, slots=True)
class Work:
    """What one step does: ``load`` for a company, then its ``checks`` by all companies' faults.

    ``silver`` names the entities whose Silver was judged, with their faults: not those of the step.
    ``noted`` learns of each step whether it found anything new.
    """

    key: dg.AssetKey
    checks: Sequence[str]
    load: Callable[[RealmCells], Loaded]
    faults: Callable[[], Sequence[CheckFault] | None]
    entity: str
    silver: Callable[[], tuple[Sequence[str], Sequence[CheckFault]]]
    noted: Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of one entity: what failed, its checks, and whether it was read at all."""

    key: dg.AssetKey
    errors: list[LedgerGuardError]
    reported: list[ReportedCheck]
    left_out: bool = False

    def results(
        self, checks: Sequence[ReportedCheck]
    ) -> "Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]":
        """For a step in which nothing failed. What was left out is no materialization."""
        found = [each.result(self.key) for each in checks]
        if self.left_out:
            yield from found
        else:
            yield dg.MaterializeResult(asset_key=self.key, check_results=found)

    def report(self, context: dg.AssetExecutionContext) -> None:
        """The checks of a step that fails: Dagster takes no results of it."""
        step = context.get_step_execution_context()
        for each in self.reported:
            DagsterEvent.asset_check_evaluation(step, each.evaluation(self.key))


def work_of(context: dg.AssetExecutionContext, entity: EntityType | DerivedEntity) -> Work:
    """Bringing an entity up to date, or looking at what is derived from one."""
    quickbooks, bronze = quickbooks_of(context), bronze_of(context)

    def load(cells: RealmCells) -> Loaded:
        if isinstance(entity, DerivedEntity):
            return quickbooks.look(context, cells, entity, bronze)
        return quickbooks.load(context, cells, entity, bronze)

    return Work(
        asset_key(entity),
        check_names(derived=isinstance(entity, DerivedEntity)),
        load,
        lambda: quickbooks.faults(context, entity.name, bronze),
        entity.name,
        lambda: quickbooks.silver_checks(context, bronze),
        lambda news: quickbooks.noted(context, news=news),
    )


def perform(
    context: dg.AssetExecutionContext, cells: dg.MultiPartitionsDefinition, work: Work
) -> Performed:
    """Load every company of the run and record what was loaded."""
    done: list[tuple[RealmCells, Loaded]] = []
    errors: list[LedgerGuardError] = []
    asked_at = partial(asked_for_at, context.instance, context.run)
    for company in by_realm(cells, context.partition_keys, asked_at):
        try:
            done.append((company, work.load(company)))
        except LedgerGuardError as error:  # the other companies go on
            errors.append(error)
    step, grid = context.get_step_execution_context(), Grid(context.instance, cells)
    reported = _reported(work, [loaded for _, loaded in done])
    if done and not errors and all(loaded.left_out for _, loaded in done):
        for company, loaded in done:
            _observe(context, work.key, company, loaded)
        tell(step, *work.silver())
        work.noted(True)
        return Performed(work.key, errors, reported, left_out=True)
    news = bool(errors)
    for company, loaded in done:
        if loaded.result is not None and loaded.result.fetched:
            context.log.info(loaded.result.line)
        newest = company.keys[-1]
        lacking = grid.lacking(work.key, company.realm_id, loaded.covered, company.keys)
        news = news or bool(lacking) or (loaded.result is not None and loaded.result.news)
        found: dict[dg.MultiPartitionKey, Metadata] = {}
        if errors:
            # The entity fails, so Dagster records nothing for it: the companies that went well are
            # recorded here.
            found |= _by_cell(company, loaded)
        else:
            for cell, metadata in _by_cell(company, loaded).items():
                context.add_asset_metadata(metadata, asset_key=work.key, partition_key=cell)
        record(
            step,
            f"{work.key.to_python_identifier()}-{company.realm_id}",
            [
                *pointers(company.realm_id, newest, ((work.key, cell) for cell in lacking)),
                *(
                    dg.AssetMaterialization(work.key, metadata=metadata, partition=cell)
                    for cell, metadata in found.items()
                ),
                *(silver_materializations(loaded.result, loaded.names) if loaded.silver else ()),
            ],
        )
    tell(step, *work.silver())
    work.noted(news)
    return Performed(work.key, errors, reported)


def _observe(
    context: dg.AssetExecutionContext, key: dg.AssetKey, company: RealmCells, loaded: Loaded
) -> None:
    """Why nothing was read: the asset is as old as it was before."""
    note = loaded.result.note if loaded.result is not None and loaded.result.note else "left out"
    context.log.info(note)
    context.log_event(
        dg.AssetObservation(
            key,
            partition=company.keys[-1],
            metadata={**loaded.names.metadata(loaded.realm_id, loaded.entity), "left_out": note},
        )
    )


def _reported(work: Work, loads: Sequence[Loaded]) -> list[ReportedCheck]:
    outcomes = [outcome for loaded in loads for outcome in judge(loaded)]
    faults = work.faults()
    if faults is None:  # nothing is known of the other companies now
        faults = faults_of(work.entity, outcomes)
    names = {loaded.realm_id: loaded.names.name(loaded.realm_id) for loaded in loads}
    company_status = KnownChecks.of(work.entity, faults, outcomes, names)
    return [company_status.reported(check) for check in work.checks]


def _by_cell(company: RealmCells, loaded: Loaded) -> dict[dg.MultiPartitionKey, Metadata]:
    *older, newest = company.keys
    return {
        **{cell: pointer(company.realm_id, newest) for cell in older},
        newest: load_metadata(loaded),
    }
