"""All Bronze assets of an installation as one step.

The executor belongs to the host project. One that gives each step a process, or a pod, of its own
would turn one sync of a company into forty; a step with forty assets is one sync everywhere.
"""

from collections.abc import Collection, Iterator, Sequence

import dagster as dg

from ledgerguard_pipeline.defs.bronze.assets import bronze_specs, perform, work_of
from ledgerguard_pipeline.defs.bronze.checks import KnownChecks, check_specs
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import bronze_of, quickbooks_of
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import LedgerGuardError


def build_bronze_step(
    entities: Sequence[EntityType], cells: dg.MultiPartitionsDefinition
) -> dg.AssetsDefinition:
    """The assets of these entities and of what is derived from them; any of them can be run.

    An entity that fails does not keep the others from being loaded; then the step fails at its end.
    """
    specs = bronze_specs(entities, cells)

    @dg.multi_asset(
        name=current_site().name("bronze"),
        specs=[spec.replace_attributes(skippable=True) for _, spec in specs],
        check_specs=[
            check
            for each, spec in specs
            for check in check_specs(spec.key, derived=isinstance(each, DerivedEntity))
        ],
        can_subset=True,
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def load_entities(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # Dagster reads the bare name
        errors: list[LedgerGuardError] = []
        without: set[str] = set()
        wanted = context.selected_asset_check_keys
        for each, spec in specs:
            if spec.key not in context.selected_asset_keys:
                yield from _as_known(
                    context, each, [key for key in wanted if key.asset_key == spec.key]
                )
                continue
            if isinstance(each, DerivedEntity) and entity_type(each.base).name in without:
                continue
            done = perform(context, cells, work_of(context, each))
            if done.errors:
                errors += done.errors
                without.add(each.name)
                done.report(context)
                continue
            if done.left_out:
                without.add(each.name)
            yield from done.results(
                [
                    check
                    for check in done.reported
                    if dg.AssetCheckKey(done.key, check.check) in wanted
                ]
            )
        if errors:
            raise failure_of(errors)

    return load_entities


def _as_known(
    context: dg.AssetExecutionContext,
    entity: EntityType | DerivedEntity,
    checks: Collection[dg.AssetCheckKey],
) -> Iterator[dg.AssetCheckResult]:
    """Checks that are run without their asset: what every company's last load found, read anew.

    Such a run has no partition and so no company to load.
    """
    if not checks:
        return
    try:
        control = quickbooks_of(context).installation(context, bronze_of(context)).control
        known = KnownChecks.of(entity.name, control.check_faults.read([entity.name]))
    except LedgerGuardError as error:
        raise failure_of([error]) from error
    for key in checks:
        yield known.reported(key.name).result(key.asset_key)
