"""One sync per company for all steps of a run."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from ledgerguard_pipeline.bronze.read.audit import Audit, audit
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.control.company_state.check_faults import EVERY_ENTITY, CheckFault
from ledgerguard_pipeline.defs.bronze.checks import CheckOutcome, failed, judge, noted
from ledgerguard_pipeline.defs.bronze.metadata import Loaded
from ledgerguard_pipeline.defs.bronze.silver_results import judge_changes
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.partitions import RealmCells
from ledgerguard_pipeline.defs.run_context import OpenedSync, opened_sync, report
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType
from ledgerguard_pipeline.errors import ControlError, LedgerGuardError
from ledgerguard_pipeline.ingestion.request import SyncRequest, Window
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.values import Mode, RealmId, parse_realm

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
    from ledgerguard_pipeline.ingestion.company_sync.sync import CompanySync
    from ledgerguard_pipeline.ingestion.events.event_sync import EventSync
    from ledgerguard_pipeline.installation import Installation

LEASE_WAIT_SECONDS = 300.0
"""A sweep is at a company for seconds; only whole loads and other runs take longer."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run executes: entities in registry order, and views derived from entities."""

    entities: tuple[EntityType, ...]
    derived: tuple[DerivedEntity, ...] = ()

    @property
    def names(self) -> set[str]:
        """Of all of them: one step each."""
        return {each.name for each in self.entities} | {each.name for each in self.derived}


@dataclass(slots=True)
class _Company:
    """One company in one run: its lease and its sync, both over when its last step has ended."""

    to_come: set[str]
    stack: ExitStack = field(default_factory=ExitStack)
    sync: "CompanySync | EventSync | LedgerGuardError | None" = None
    audits: dict[str, Audit] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    covered: dict[str, Window] = field(default_factory=dict)
    changed: list[EntityResult] = field(default_factory=list)

    def close(self) -> None:
        """Report what was done, end the sync, give the company's lease back."""
        with self.stack:
            if self.sync is not None and not isinstance(self.sync, LedgerGuardError):
                report(self.sync.result())
        self.sync = None


class RunSyncs(Closing):
    """Opens a company's sync when its first step starts and closes it when its last one ends.

    The sync knows every entity selected in the run, so one change-data-capture call, one session
    and one limiter serve all steps, and later entities are fetched while earlier ones are loaded.
    Nothing is opened before the first step, so building one needs neither network nor files.
    """

    def __init__(
        self,
        open_installation: Callable[[], "Installation"],
        *,
        run_id: str | None,
        full: bool,
        since: datetime | None,
        reconcile: bool = False,
        batch: str | None = None,
    ) -> None:
        self._open_installation = open_installation
        self._run_id = run_id
        self._full = full
        self._since = since
        self._reconcile = reconcile
        self._batch = batch
        self._stack = ExitStack()
        self._installation: Installation | None = None
        self._leases: CompanyLeases | None = None
        self._companies: dict[str, _Company] = {}
        self._silver_judged: dict[str, None] = {}
        self._names: CompanyNames | None = None

    @property
    def names(self) -> CompanyNames:
        """Of all companies, as they were when the run first asked; ids where nobody knows."""
        if self._names is None:
            installation = self.installation
            try:
                self._names = CompanyNames.read(installation.control, installation.settings)
            except ControlError as error:
                _log.warning("company_names_not_read", message=error.message)
                self._names = CompanyNames(environment=installation.settings.intuit_env)
        return self._names

    @property
    def installation(self) -> "Installation":
        """The installation of this run, opened on first use."""
        if self._installation is None:
            from ledgerguard_pipeline.config.process_tuning import prepare_for_loads
            from ledgerguard_pipeline.control.leases.run_heartbeats import run_alive

            prepare_for_loads()
            self._installation = self._stack.enter_context(self._open_installation())
            self._stack.enter_context(run_alive(self._installation.control.run_beats, self._run_id))
        return self._installation

    def load(self, cells: RealmCells, entity: EntityType, selection: Selection) -> Loaded:
        """Bring one entity of one company up to date and look at what Bronze then holds.

        Raises:
            LedgerGuardError: the entity failed; other entities and companies are not affected.
        """
        company = self._company(cells, selection)
        derived = [each.name for each in DERIVED if each.base == entity.name]
        over = [entity.name]
        try:
            result = self._sync(company, cells, selection).load(entity)
            found = self._audit(company, cells, entity, selection, result)
            budget = self.installation.control.budget.use()
            silver = self.installation.bronze.followed(cells.realm_id)
            samples = self.installation.settings.shows_samples
            loaded = Loaded(
                cells.realm_id,
                result,
                found,
                budget,
                result.covered,
                silver=silver,
                samples=samples,
                names=self.names,
                entity=entity.name,
            )
            if result.covered is not None:
                company.covered |= dict.fromkeys(derived, result.covered)
            company.changed.append(result)
            if loaded.left_out:
                over += derived  # Dagster skips the step of what is derived
            self._note(cells, entity.name, judge(loaded))
        except LedgerGuardError as error:
            over += derived  # Dagster skips the step of what is derived
            self._note_failure(company, cells, entity.name, error)
            raise
        finally:
            self._step_over(cells, company, over)
        return loaded

    def look(self, cells: RealmCells, entity: DerivedEntity, selection: Selection) -> Loaded:
        """What a derived entity shows; its base was loaded by an earlier step or run."""
        company = self._company(cells, selection)
        try:
            loaded = Loaded(
                cells.realm_id,
                None,
                self._audit(company, cells, entity, selection, None),
                covered=company.covered.get(entity.name),
                samples=self.installation.settings.shows_samples,
                names=self.names,
                entity=entity.base,
            )
            self._note(cells, entity.name, judge(loaded))
        finally:
            self._step_over(cells, company, [entity.name])
        return loaded

    def faults(self, *entities: str) -> list[CheckFault] | None:
        """The failing checks of entities in all companies; None if they cannot be read."""
        try:
            return self.installation.control.check_faults.read(entities)
        except ControlError as error:
            _log.warning("check_faults_not_read", entities=entities, message=error.message)
            return None

    def silver_judged(self) -> list[str]:
        """Entities whose Silver was judged since this was asked last; each is named once."""
        found = list(self._silver_judged)
        self._silver_judged.clear()
        return found

    def _company(self, cells: RealmCells, selection: Selection) -> _Company:
        if cells.realm_id not in self._companies:
            self._companies[cells.realm_id] = _Company(selection.names)
        return self._companies[cells.realm_id]

    def _step_over(self, cells: RealmCells, company: _Company, names: Sequence[str]) -> None:
        company.to_come.difference_update(names)
        if not company.to_come:
            del self._companies[cells.realm_id]
            try:
                self._judge_silver(cells, company)
            finally:
                company.close()

    def _judge_silver(self, cells: RealmCells, company: _Company) -> None:
        """Silver's checks of what the company's steps brought; a load never fails of them."""
        if not company.changed:
            return
        try:
            judged = judge_changes(self.installation, RealmId(cells.realm_id), company.changed)
        except LedgerGuardError as error:
            _log.warning("silver_not_judged", realm_id=cells.realm_id, message=error.message)
        else:
            self._silver_judged |= dict.fromkeys(judged)

    def _sync(
        self, company: _Company, cells: RealmCells, selection: Selection
    ) -> "CompanySync | EventSync":
        if company.sync is None:
            company.sync = self._open(company, cells, selection)
        if isinstance(company.sync, LedgerGuardError):
            # Every step of a company that cannot be opened says why; none tries again.
            raise company.sync
        return company.sync

    def _open(
        self, company: _Company, cells: RealmCells, selection: Selection
    ) -> "CompanySync | EventSync | LedgerGuardError":
        try:
            realm_id = parse_realm(cells.realm_id)
            if self._batch is not None:
                return company.stack.enter_context(self._events(company, realm_id, self._batch))
            begun = opened_sync(realm_id)
            if begun is not None:
                return self._go_on(company, begun)
            request = SyncRequest(
                realm_id=realm_id,
                entities=selection.entities,
                full=self._full,
                since=self._since,
                window=None if self._full or self._since or self._reconcile else cells.window,
                run_id=self._run_id,
                reconcile=self._reconcile,
            )
            self._take_lease(company, realm_id)
            service = self.installation.service(realm_id)
            return company.stack.enter_context(service.open_sync(request))
        except LedgerGuardError as error:
            wrong = error if error.exit_code == 2 else None
            report(SyncResult(errors=(str(error),), misconfigured=wrong))
            return error

    def _go_on(self, company: _Company, begun: OpenedSync) -> "CompanySync":
        """With the sync that the caller of the run began; its rows are this run's from now on."""
        company.stack.enter_context(begun.stack)
        if isinstance(begun.sync, LedgerGuardError):
            raise begun.sync
        begun.sync.request = replace(begun.sync.request, run_id=self._run_id)
        return begun.sync

    def _take_lease(self, company: _Company, realm_id: RealmId) -> None:
        """Work on the company alone until its last step; a sweep is at it for a moment only.

        Raises:
            CompanyBusy: somebody else worked on it all the time.
        """
        if self._leases is None:
            from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases

            control = self.installation.control
            self._leases = CompanyLeases(control.leases, control.environment, clock=control.clock)
            self._stack.enter_context(self._leases.kept())
        company.stack.enter_context(self._leases.of(realm_id, wait_seconds=LEASE_WAIT_SECONDS))

    def _events(self, company: _Company, realm_id: RealmId, batch: str) -> "EventSync":
        """The webhook events this run was launched for; given back if they cannot be acted upon."""
        from ledgerguard_pipeline.control.leases.heartbeat import beating
        from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease

        lease = InboxLease(self.installation.control.inbox, batch)
        try:
            # Whoever works on the company may take minutes, and nobody shall think this run gone.
            with beating(lease):
                self._take_lease(company, realm_id)
            return self.installation.service(realm_id).open_events(lease, run_id=self._run_id)
        except LedgerGuardError as error:
            lease.failed(lease.events, error)
            raise

    def _note_failure(
        self, company: _Company, cells: RealmCells, entity: str, error: LedgerGuardError
    ) -> None:
        mode = Mode.FULL if self._batch is None else Mode.WEBHOOK
        whole = isinstance(company.sync, LedgerGuardError)
        if self._installation is not None:
            found = failed(cells.realm_id, mode, error)
            self._note(cells, EVERY_ENTITY if whole and self._batch is None else entity, found)

    def _note(self, cells: RealmCells, entity: str, found: Sequence[CheckOutcome]) -> None:
        """Keep the results for the other companies' reports; a load never fails of it."""
        judged = noted(entity, found)
        try:
            if judged:
                faults = self.installation.control.check_faults
                faults.judged(RealmId(cells.realm_id), judged)
        except ControlError as error:
            _log.warning("check_faults_not_written", entity=entity, message=error.message)

    def _audit(
        self,
        company: _Company,
        cells: RealmCells,
        entity: EntityType | DerivedEntity,
        selection: Selection,
        result: EntityResult | None,
    ) -> Audit:
        """Bronze after this load.

        Small entities are committed together, so the first step to look reads all entities of the
        run at once; a later one reads again only if its load came after that, and then for every
        entity still to come. An idle run so opens the file once, a first load a few times.
        """
        known, looked = company.audits, company.looked
        looked.add(entity.name)
        seen = known.get(entity.name)
        if seen is not None and result is not None and not seen.loads.issuperset(result.load_ids):
            self._forget(known, entity)
        if entity.name not in known:
            bases = {one.name for one in selection.entities}
            derived = [each for each in DERIVED if each.base in bases]
            every: list[EntityType | DerivedEntity] = [*selection.entities, *derived]
            to_come = [each for each in every if each.name not in looked]
            known |= audit(
                self.installation.bronze.workspace,
                RealmId(cells.realm_id),
                [entity, *to_come],
                self._run_id,
            )
        return known[entity.name]

    @staticmethod
    def _forget(known: dict[str, Audit], entity: EntityType | DerivedEntity) -> None:
        known.pop(entity.name, None)
        for derived in DERIVED:
            if derived.base == entity.name:
                known.pop(derived.name, None)

    def close(self) -> None:
        """Report what was done and close every sync and the installation."""
        with self._stack, ExitStack() as companies:
            for company in self._companies.values():
                companies.callback(company.close)
