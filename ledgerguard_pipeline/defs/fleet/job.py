"""The job that syncs many companies in one run.

One process goes through the companies of its shard by the ordinary sync, so a company that has
nothing new costs an API call and no event. Entities that changed are recorded as materialized in
the company's current cell, as by a run of its own, and every entity once in each window; what
happened to each company is in a table of the run, and in the sync states every view of health reads.
Checks are reported once, over all companies.

Decision 33 in docs/decisions.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.defs.bronze.failures import COMPANIES, advice, error_of
from ledgerguard_pipeline.defs.bronze.grid import Grid, pointers
from ledgerguard_pipeline.defs.bronze.metadata import Metadata, result_metadata
from ledgerguard_pipeline.defs.bronze.silver_results import silver_materializations
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.fleet.read_without_news import ReadWithoutNews
from ledgerguard_pipeline.defs.fleet.shards import Shard, SweepTask, late_tag
from ledgerguard_pipeline.defs.fleet.sweep_checks import SweepChecks
from ledgerguard_pipeline.defs.instance.step_events import record
from ledgerguard_pipeline.defs.keys import (
    FLEET_JOB,
    FOUND_NOTHING,
    IDLE_TAG,
    asset_key,
    derived_from,
)
from ledgerguard_pipeline.defs.partitions import cell_partitions, current_cell
from ledgerguard_pipeline.defs.run_context import current_settings, report
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.fleet import Visit
    from ledgerguard_pipeline.installation import Installation

FAILURES_NAMED = 100
FAILURE_OF_EACH = 5
"""A sweep in which so many companies failed, and no other one was, is the failure of each of them."""
LOCK_WAIT_SECONDS = 600.0
"""Two runs of a sweep wait for each other at the embedded Bronze file, and so do their threads."""


class SweepConfig(dg.Config):
    """Which companies a run goes through, and what it does with them."""

    task: str = SweepTask.CHANGES.value
    shard: int = 0
    shards: int = 1
    batch: str | None = None


def build_fleet_job() -> dg.JobDefinition:
    """The job; which shard and task it is for says its config."""

    @dg.op(
        name=current_site().name("sweep"),
        description="Sync every company of a shard.",
        out=dg.Out(dg.Nothing),
    )
    @at_site
    def sweep(context: dg.OpExecutionContext, config: SweepConfig) -> None:
        shard = Shard(SweepTask(config.task), config.shard, config.shards)
        cells = cell_partitions(current_settings())
        summary, grid = SweepSummary(), Grid(context.instance, cells)
        with ExitStack() as stack:
            installation = _opened(stack, context.run.run_id)
            names = CompanyNames.read(installation.control, installation.settings)
            checks = SweepChecks(installation, installation.settings.kept_entities)
            quiet = ReadWithoutNews(installation.settings, names)
            step = context.get_step_execution_context()
            for visits in _visits(stack, installation, shard, context.run.run_id, config.batch):
                _record(step, visits, grid, cells, names, installation.bronze.followed)
                for visit in visits:
                    summary.add(visit)
                    checks.add(visit)
                    quiet.add(visit)
                    report(visit.result)
            checks.tell(step)
            if shard.task is not SweepTask.EVENTS:
                grown_old = quiet.events(context.instance, cells)
                record(step, "quiet", grown_old)
                if summary.nothing_new and not grown_old:
                    context.instance.add_run_tags(context.run.run_id, {IDLE_TAG: FOUND_NOTHING})
        context.add_output_metadata(summary.metadata(shard))
        late = late_tag(summary.late)
        if late:
            context.instance.add_run_tags(context.run.run_id, late)
        if summary.nothing_worked:
            raise summary.failure(shard)

    @dg.job(
        name=current_site().name(FLEET_JOB),
        executor_def=dg.in_process_executor,
        description="Sync many companies in one run: those of one shard.",
    )
    def fleet_sweep() -> None:
        sweep()

    return fleet_sweep


def _opened(stack: ExitStack, run_id: str) -> "Installation":
    from ledgerguard_pipeline.config.process_tuning import prepare_for_loads
    from ledgerguard_pipeline.control.leases.run_heartbeats import run_alive
    from ledgerguard_pipeline.installation import Installation

    prepare_for_loads()
    installation = stack.enter_context(
        # Its own threads queue up before the file as well.
        Installation.open(current_settings(), lock_wait_seconds=LOCK_WAIT_SECONDS)
    )
    stack.enter_context(run_alive(installation.control.run_beats, run_id))
    return installation


def _visits(
    stack: ExitStack, installation: "Installation", shard: Shard, run_id: str, batch: str | None
) -> Iterator[list["Visit"]]:
    from ledgerguard_pipeline.defs.fleet.sweeps import Sweeps

    sweeps = stack.enter_context(Sweeps(installation, run_id))
    entities = shard.task.entities(installation.settings.kept_entities)
    if shard.task is SweepTask.EVENTS:
        return sweeps.events(batch or "")
    realms = [realm for realm in sweeps.connected() if shard.holds(realm)]
    if shard.task is SweepTask.FIRST:
        return sweeps.first_loads(realms, entities)
    if shard.task is SweepTask.RECONCILE:
        return sweeps.reconciling(realms, entities)
    return sweeps.bringing_up_to_date(realms, entities)


def _record(
    step: StepExecutionContext,
    visits: Sequence["Visit"],
    grid: Grid,
    cells: dg.MultiPartitionsDefinition,
    names: CompanyNames,
    followed: Callable[[RealmId], bool],
) -> None:
    """What changed, as materializations of each company's current cell, in one transaction.

    ``followed`` says whether a company's Silver has what Bronze has.
    """
    found: list[dg.AssetMaterialization] = []
    for visit in visits:
        cell, silver = current_cell(cells, visit.realm_id), followed(visit.realm_id)
        found += _found(visit, grid, cell, names, silver=silver)
    record(step, visits[0].realm_id, found)


def _found(
    visit: "Visit", grid: Grid, cell: dg.MultiPartitionKey, names: CompanyNames, *, silver: bool
) -> list[dg.AssetMaterialization]:
    """What is recorded of a company, ``cell`` being its current one.

    With what changed the cells that were completed and never materialized: those of a first load,
    and every entity's once when a window begins. What an entity brought before it failed is
    recorded as well, since nobody will bring it once more; with the failure.
    """
    lacking: list[tuple[dg.AssetKey, dg.MultiPartitionKey]] = []
    found: list[dg.AssetMaterialization] = []
    for result in visit.result.results:
        if not result.news and not grid.beyond_current(result.covered):
            continue
        metadata: Metadata = {}
        if result.news:
            metadata |= names.metadata(visit.realm_id, result.entity)
            metadata |= result_metadata(result)
        besides = (cell,) if result.news else ()
        for key in _keys(entity_type(result.entity)):
            windows = grid.lacking(key, visit.realm_id, result.covered, besides)
            lacking += [(key, each) for each in windows]
            if result.news:
                found.append(dg.AssetMaterialization(key, metadata=metadata, partition=cell))
        if result.news and silver:
            found += silver_materializations(result, names)
    return [*pointers(visit.realm_id, cell, lacking), *found]


def _keys(entity: EntityType) -> list[dg.AssetKey]:
    return [asset_key(entity), *map(asset_key, derived_from(entity))]


@dataclass(slots=True)
class SweepSummary:
    """What a sweep did, added up for the run's page."""

    endings: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    api_calls: int = 0
    written: int = 0
    deleted: int = 0
    entities: int = 0
    slowest: tuple[float, str] = (0.0, "")

    def add(self, visit: "Visit") -> None:
        """One more company."""
        from ledgerguard_pipeline.ingestion.fleet import Ending

        self.endings[visit.ending.value] += 1
        if visit.ending is Ending.FAILED and visit.error is not None:
            self.failures.append((visit.realm_id, str(visit.error), advice(visit.error)))
        if visit.ending is Ending.LATE:
            self.late.append(visit.realm_id)
        self.api_calls += visit.result.api_calls
        self.entities += len(visit.changed)
        self.written += sum(result.written for result in visit.changed)
        self.deleted += sum(result.deleted for result in visit.changed)
        self.slowest = max(self.slowest, (visit.seconds, visit.realm_id))

    @property
    def visited(self) -> int:
        """Companies so far."""
        return self.endings.total()

    @property
    def nothing_worked(self) -> bool:
        """True when there were companies and each of them failed: that is the sweep's failure."""
        return self.visited > 0 and len(self.failures) == self.visited

    @property
    def nothing_new(self) -> bool:
        """True when every company was visited and nothing had changed in any."""
        from ledgerguard_pipeline.ingestion.fleet import Ending

        return self.visited == self.endings[Ending.IDLE.value]

    def failure(self, shard: Shard) -> dg.Failure:
        """The failure of a sweep in which nothing worked; it names its companies if they are few.

        What all of many companies fail of is no company's own.
        """
        metadata = self.metadata(shard)
        del metadata[COMPANIES]
        if self.visited <= FAILURE_OF_EACH:
            realms = ", ".join(realm for realm, _, _ in self.failures)
            metadata[COMPANIES] = dg.MetadataValue.text(realms)
            for realm, error, _ in self.failures:
                metadata[error_of(realm)] = dg.MetadataValue.text(error)
        return dg.Failure(
            f"{self._everyone} of {shard.name} failed. {self.failures[0][1]}",
            metadata=metadata,
            allow_retries=False,
        )

    @property
    def _everyone(self) -> str:
        return "The only company" if self.visited == 1 else f"All {self.visited} companies"

    def metadata(self, shard: Shard) -> Metadata:
        """The table of the run."""
        found: Metadata = {
            "sweep": dg.MetadataValue.text(shard.name),
            COMPANIES: dg.MetadataValue.int(self.visited),
            **{
                f"companies_{ending}": dg.MetadataValue.int(count)
                for ending, count in sorted(self.endings.items())
            },
            "api_calls": dg.MetadataValue.int(self.api_calls),
            "entities_changed": dg.MetadataValue.int(self.entities),
            "rows_written": dg.MetadataValue.int(self.written),
            "rows_deleted": dg.MetadataValue.int(self.deleted),
            "slowest_company": dg.MetadataValue.text(
                f"{self.slowest[1]}: {self.slowest[0]:.1f} s" if self.slowest[1] else "none"
            ),
        }
        if self.late:
            found["late"] = dg.MetadataValue.text(", ".join(sorted(self.late)))
        if self.failures:
            found["failures"] = _table(self.failures[:FAILURES_NAMED])
        return found


def _table(failures: Sequence[tuple[str, str, str]]) -> dg.MetadataValue:
    names = ("company", "error", "what_to_do")
    return dg.MetadataValue.table(
        records=[dg.TableRecord(dict(zip(names, each, strict=True))) for each in failures],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names]),
    )
