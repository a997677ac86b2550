"""The jobs; their names are stable because schedules, the command line and history use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.fleet.job import build_fleet_job
from ledgerguard_pipeline.defs.keys import (
    ALL_JOB,
    CHANGES_JOB,
    QUERIED_JOB,
    RECONCILE_JOB,
    WEBHOOK_JOB,
    asset_key,
    derived_from,
)
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import EntityType


@dataclass(frozen=True, slots=True)
class Jobs:
    """Any but ``all`` and ``fleet`` is None where the installation keeps no entity of that sort."""

    all: AssetJob
    changes: AssetJob | None
    queried: AssetJob | None
    reconcile: AssetJob | None
    webhooks: AssetJob | None
    fleet: dg.JobDefinition

    def listed(self) -> list[AssetJob | dg.JobDefinition]:
        every = (self.all, self.changes, self.queried, self.reconcile, self.webhooks, self.fleet)
        return [job for job in every if job is not None]


def build_jobs(entities: Sequence[EntityType]) -> Jobs:
    """Jobs over these entities."""
    changing = [entity for entity in entities if entity.cdc]
    queried = [entity for entity in entities if not entity.cdc]
    identified = [entity for entity in entities if entity.identified]
    countable = [entity for entity in entities if entity.countable]
    return Jobs(
        all=build_sync_job(entities),
        changes=_job(
            CHANGES_JOB,
            changing,
            "Read what changed since the watermark: one call for all of these entities.",
        )
        if changing
        else None,
        queried=_job(
            QUERIED_JOB,
            queried,
            "Entities that change data capture leaves out, read by one batch call.",
        )
        if queried
        else None,
        reconcile=_job(
            RECONCILE_JOB,
            countable,
            "Compare Intuit's counts with Bronze; find and repair missing and phantom rows.",
            config={"resources": {current_site().resource_key: {"config": {"reconcile": True}}}},
        )
        if countable
        else None,
        webhooks=_job(
            WEBHOOK_JOB,
            identified,
            "Read only the objects that webhook events are about.",
        )
        if identified
        else None,
        fleet=build_fleet_job(),
    )


def build_sync_job(entities: Sequence[EntityType]) -> AssetJob:
    """The job that the command line runs in its own process."""
    return _job(ALL_JOB, entities, "Bring every entity of a company up to date.")


def keys_of(entities: Sequence[EntityType]) -> list[dg.AssetKey]:
    """The assets of these entities and of what is derived from them."""
    derived = [each for entity in entities for each in derived_from(entity)]
    return [*map(asset_key, entities), *map(asset_key, derived)]


def _job(
    name: str,
    entities: Sequence[EntityType],
    description: str,
    *,
    config: Mapping[str, object] | None = None,
) -> AssetJob:
    return dg.define_asset_job(
        current_site().name(name),
        selection=dg.AssetSelection.assets(*keys_of(entities)),
        description=description,
        executor_def=dg.in_process_executor,
        config=None if config is None else dict(config),
    )
