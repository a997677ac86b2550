"""One sync per company for all steps of a run."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ledgerguard_pipeline.bronze.audit import Audit, audit
from ledgerguard_pipeline.defs.partitions import RealmCells
from ledgerguard_pipeline.defs.reports import Loaded
from ledgerguard_pipeline.defs.scope import report
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.events import EventSync
    from ledgerguard_pipeline.ingestion.sync import CompanySync
    from ledgerguard_pipeline.ingestion.turn import Turns
    from ledgerguard_pipeline.installation import Installation

TURN_WAIT_SECONDS = 300.0
"""A sweep is at a company for seconds; only whole loads and other runs take longer."""


class RunSyncs:
    """Opens a company's sync when its first step starts and closes all at the end of the run.

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
        self._turns: Turns | None = None
        self._syncs: dict[str, CompanySync | EventSync | LedgerGuardError] = {}
        self._audits: dict[str, dict[str, Audit]] = {}
        self._looked: dict[str, set[str]] = {}

    @property
    def installation(self) -> "Installation":
        """The installation of this run, opened on first use."""
        if self._installation is None:
            from ledgerguard_pipeline.ingestion.run_beat import run_alive

            self._installation = self._stack.enter_context(self._open_installation())
            self._stack.enter_context(run_alive(self._installation.control.run_beats, self._run_id))
        return self._installation

    def load(self, cells: RealmCells, entity: EntityType, selected: Sequence[EntityType]) -> Loaded:
        """Bring one entity of one company up to date and look at what Bronze then holds.

        Raises:
            LedgerGuardError: the entity failed; other entities and companies are not affected.
        """
        result = self._sync(cells, selected).load(entity)
        return Loaded(
            cells.realm_id,
            result,
            self._audit(cells, entity, selected, result),
            self.installation.control.budget.use(),
        )

    def look(
        self, cells: RealmCells, entity: DerivedEntity, selected: Sequence[EntityType]
    ) -> Loaded:
        """What a derived entity shows; its base was loaded by an earlier step or run."""
        return Loaded(cells.realm_id, None, self._audit(cells, entity, selected, None))

    def _sync(self, cells: RealmCells, selected: Sequence[EntityType]) -> "CompanySync | EventSync":
        known = self._syncs.get(cells.realm_id)
        if known is None:
            known = self._syncs[cells.realm_id] = self._open(cells, selected)
        if isinstance(known, LedgerGuardError):
            # Every step of a company that cannot be opened says why; none tries again.
            raise known
        return known

    def _open(
        self, cells: RealmCells, selected: Sequence[EntityType]
    ) -> "CompanySync | EventSync | LedgerGuardError":
        try:
            realm_id = parse_realm(cells.realm_id)
            if self._batch is not None:
                return self._stack.enter_context(self._events(realm_id, self._batch))
            request = SyncRequest(
                realm_id=realm_id,
                entities=tuple(selected),
                full=self._full,
                since=self._since,
                window=None if self._full or self._since or self._reconcile else cells.window,
                run_id=self._run_id,
                reconcile=self._reconcile,
            )
            self._take_turn(realm_id)
            return self._stack.enter_context(self.installation.service(realm_id).open_sync(request))
        except LedgerGuardError as error:
            wrong = error if error.exit_code == 2 else None
            report(SyncResult(errors=(str(error),), misconfigured=wrong))
            return error

    def _take_turn(self, realm_id: RealmId) -> None:
        """Work on the company alone until the run ends; a sweep is at it for a moment only.

        Raises:
            CompanyBusy: somebody else worked on it all the time.
        """
        if self._turns is None:
            from ledgerguard_pipeline.ingestion.turn import Turns

            control = self.installation.control
            self._turns = Turns(control.leases, control.environment, clock=control.clock)
            self._stack.enter_context(self._turns.kept())
        self._stack.enter_context(self._turns.of(realm_id, wait_seconds=TURN_WAIT_SECONDS))

    def _events(self, realm_id: RealmId, batch: str) -> "EventSync":
        """The webhook events this run was launched for; given back if they cannot be acted upon."""
        from ledgerguard_pipeline.ingestion.event_lease import InboxLease

        lease = InboxLease(self.installation.control.inbox, batch)
        try:
            self._take_turn(realm_id)
            return self.installation.service(realm_id).open_events(lease, run_id=self._run_id)
        except LedgerGuardError as error:
            lease.failed(lease.events, str(error))
            raise

    def _audit(
        self,
        cells: RealmCells,
        entity: EntityType | DerivedEntity,
        selected: Sequence[EntityType],
        result: EntityResult | None,
    ) -> Audit:
        """Bronze after this load.

        Small entities are committed together, so the first step to look reads all entities of the
        run at once; a later one reads again only if its load came after that, and then for every
        entity still to come. An idle run so opens the file once, a first load a few times.
        """
        known = self._audits.setdefault(cells.realm_id, {})
        looked = self._looked.setdefault(cells.realm_id, set())
        looked.add(entity.name)
        seen = known.get(entity.name)
        if seen is not None and result is not None and not seen.loads.issuperset(result.load_ids):
            self._forget(known, entity)
        if entity.name not in known:
            bases = {one.name for one in selected}
            derived = [each for each in DERIVED if each.base in bases]
            every: list[EntityType | DerivedEntity] = [*selected, *derived]
            to_come = [each for each in every if each.name not in looked]
            known |= audit(
                self.installation.bronze,
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
        with self._stack:
            for sync in self._syncs.values():
                if not isinstance(sync, LedgerGuardError):
                    report(sync.result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
