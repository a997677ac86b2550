"""The resource every entity asset uses."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG
from pydantic import Field, PrivateAttr

from ledgerguard_pipeline.control.company_state.check_faults import CheckFault
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB, database_of
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.metadata import Loaded
from ledgerguard_pipeline.defs.bronze.run_syncs import RunSyncs, Selection
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.keys import (
    BATCH_TAG,
    FOUND_NOTHING,
    IDLE_TAG,
    asset_key,
    connection_key,
)
from ledgerguard_pipeline.defs.partitions import RealmCells
from ledgerguard_pipeline.defs.run_context import (
    current_installation,
    current_settings,
    keeps_bronze,
)
from ledgerguard_pipeline.defs.run_tags import tag_run
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import DERIVED, ENTITIES, DerivedEntity, EntityType
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.values import parse_instant

if TYPE_CHECKING:
    from ledgerguard_pipeline.installation import Installation


class QuickBooks(dg.ConfigurableResource["QuickBooks"]):
    """How a run reaches the companies' books; a thin face of the installation.

    All steps of a run share one instance (the in-process executor sees to that) and so one sync
    per company. Setting it up opens nothing: Dagster does so once more after a run has ended.
    """

    full: bool = Field(
        default=False,
        description="Walk every selected entity from its first row instead of reading changes.",
    )
    since: str | None = Field(
        default=None,
        description=(
            "Read changes from this instant on instead of from the watermark, for example "
            "2026-01-31T00:00:00Z; an offset is needed."
        ),
    )

    reconcile: bool = Field(
        default=False,
        description="Compare Intuit's counts with Bronze and read only what differs.",
    )

    _run: "_Run | None" = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(
        self,
        context: dg.InitResourceContext,  # noqa: ARG002  # Dagster's signature
    ) -> Iterator["QuickBooks"]:
        """Serve one run; whatever its steps opened is closed when it ends."""
        try:
            since = parse_since(self.since, now=datetime.now(UTC))
            if self.reconcile and (self.full or since is not None):
                raise BadInputError(
                    "reconcile decides what to read; set it without full and since."
                )
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        with ExitStack() as stack:
            self._run = _Run(self.full, since, self.reconcile, stack)
            stack.callback(setattr, self, "_run", None)
            yield self

    def load(
        self,
        context: dg.AssetExecutionContext,
        cells: RealmCells,
        entity: EntityType,
        bronze: BronzeDuckDB,
    ) -> Loaded:
        """Bring one entity of one company up to date.

        Raises:
            LedgerGuardError: it failed; other entities and companies are not affected.
        """
        return self._syncs(context, bronze).load(cells, entity, selected(context))

    def look(
        self,
        context: dg.AssetExecutionContext,
        cells: RealmCells,
        entity: DerivedEntity,
        bronze: BronzeDuckDB,
    ) -> Loaded:
        """What a derived entity shows of its base."""
        return self._syncs(context, bronze).look(cells, entity, selected(context))

    def faults(
        self, context: dg.AssetExecutionContext, entity: str, bronze: BronzeDuckDB
    ) -> list[CheckFault] | None:
        """The failing checks of an entity in all companies; None if they cannot be read."""
        return self._syncs(context, bronze).faults(entity)

    def silver_checks(
        self, context: dg.AssetExecutionContext, bronze: BronzeDuckDB
    ) -> tuple[list[str], list[CheckFault]]:
        """Entities whose Silver was judged since the last step, and their faults in all companies."""
        syncs = self._syncs(context, bronze)
        judged = syncs.silver_judged()
        faults = syncs.faults(*judged) if judged else None
        return ([], []) if faults is None else (judged, faults)

    def installation(
        self, context: dg.AssetExecutionContext, bronze: BronzeDuckDB
    ) -> "Installation":
        """The installation of this run, shared by its steps."""
        return self._syncs(context, bronze).installation

    def noted(self, context: dg.AssetExecutionContext, *, news: bool) -> None:
        """Whether a step found anything new; a scheduled run in which none did is tagged."""
        if self._run is not None:
            self._run.noted(context, news=news)

    def names(self, context: dg.AssetExecutionContext, bronze: BronzeDuckDB) -> CompanyNames:
        """The companies by name, read once in a run; ids where nobody knows."""
        return self._syncs(context, bronze).names

    def _syncs(self, context: dg.AssetExecutionContext, bronze: BronzeDuckDB) -> RunSyncs:
        if self._run is None:
            raise RuntimeError("QuickBooks is being used outside a run.")
        if self._run.opened is None:
            try:
                self.require_installation()
            except LedgerGuardError as error:
                raise failure_of([error]) from error
        return self._run.syncs(context, bronze)

    def require_installation(self) -> None:
        """Refuse a run whose configuration names another installation; here none can.

        Raises:
            BadInputError: it does.
        """


@dataclass(slots=True)
class _Run:
    """One run: its options, and its syncs from the first step on."""

    full: bool
    since: datetime | None
    reconcile: bool
    stack: ExitStack
    opened: RunSyncs | None = None
    to_come: int | None = None
    news: bool = False

    def noted(self, context: dg.AssetExecutionContext, *, news: bool) -> None:
        """Tag the run with its last step if a schedule launched it and it found nothing new.

        A run that is about other assets as well, or has a process for each step, never comes to that.
        """
        if self.to_come is None:
            self.to_come = len(context.job_def.asset_layer.selected_asset_keys - {connection_key()})
        self.to_come -= 1
        self.news = self.news or news
        if not self.to_come and not self.news and SCHEDULE_NAME_TAG in context.run.tags:
            context.instance.add_run_tags(context.run.run_id, {IDLE_TAG: FOUND_NOTHING})

    def syncs(self, context: dg.AssetExecutionContext, bronze: BronzeDuckDB) -> RunSyncs:
        if self.opened is None:
            run = context.run
            syncs = RunSyncs(
                lambda: _open_installation(bronze),
                run_id=run.run_id,
                full=self.full,
                since=self.since,
                reconcile=self.reconcile,
                # Somebody begins a run again whose events went back into the queue or were done:
                # what it was about is brought up to date like anything else.
                batch=run.tags.get(BATCH_TAG) if run.parent_run_id is None else None,
            )
            self.opened = self.stack.enter_context(syncs)
            tag_run(context.instance, run, lambda: syncs.installation.control)
        return self.opened


def _open_installation(bronze: BronzeDuckDB) -> "Installation":
    from ledgerguard_pipeline.installation import Installation

    wait = bronze.lock_wait_seconds
    callers = current_installation()
    if callers is not None:
        shared = None if keeps_bronze() else bronze.connector()
        return callers.sharing(connect=shared, lock_wait_seconds=wait)
    connect = bronze.connector()
    return Installation.open(current_settings(), connect=connect, lock_wait_seconds=wait)


def parse_since(text: str | None, *, now: datetime) -> datetime | None:
    """The instant from which changes are read again.

    Raises:
        BadInputError: it is no instant with an offset, or is in the future.
    """
    if text is None:
        return None
    try:
        since = parse_instant(text)
    except ValueError:
        raise BadInputError(
            f"{text[:40]!r} is not a time. Write it with date, time and offset, for example "
            "2026-01-31T00:00:00Z."
        ) from None
    if since > now:
        raise BadInputError(f"{text} is in the future; nothing can have changed since then.")
    return since


def quickbooks_of(context: dg.AssetExecutionContext) -> QuickBooks:
    """The books as this run reaches them."""
    found = getattr(context.resources, current_site().resource_key)
    if not isinstance(found, QuickBooks):
        raise TypeError(f"the resource {current_site().resource_key!r} is no QuickBooks: {found!r}")
    return found


def bronze_of(context: dg.AssetExecutionContext) -> BronzeDuckDB:
    """Where Bronze is kept: the resource, or inside another project what the settings say."""
    site = current_site()
    if site.guest:
        return BronzeDuckDB(database=database_of(current_settings()))
    found = getattr(context.resources, site.duckdb_key)
    if not isinstance(found, BronzeDuckDB):
        raise TypeError(f"the resource {site.duckdb_key!r} is no BronzeDuckDB: {found!r}")
    return found


def selected(context: dg.AssetExecutionContext) -> Selection:
    """What will be executed in this process.

    A click on a few assets selects those; a retry from failure selects the failed steps only.
    Inside another project all of Bronze is one step, of whose assets some may be selected.
    """
    if current_site().guest:
        keys = set(context.selected_asset_keys)
    else:
        # An executor with a process for each step plans one step in each.
        steps = context.get_step_execution_context().execution_plan.step_keys_to_execute
        keys = {
            key
            for key in context.job_def.asset_layer.selected_asset_keys
            if key.to_python_identifier() in steps
        }
    return Selection(
        tuple(entity for entity in ENTITIES if asset_key(entity) in keys),
        tuple(derived for derived in DERIVED if asset_key(derived) in keys),
    )
