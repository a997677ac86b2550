"""The work of a run of the fleet job: the installation's side of sweeping many companies."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import OutOfTime
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.fleet import Limits, Pace, Visit, Work, Worked
    from ledgerguard_pipeline.ingestion.service import IngestionService
    from ledgerguard_pipeline.ingestion.sweep_recorder import SweepRecorder
    from ledgerguard_pipeline.installation import Installation

COMPANY_SECONDS = 60.0
"""A company's share of a sweep; an idle one takes a tenth of a second."""
EVENTS_TOTAL_SECONDS = 900.0
LONG_COMPANY_SECONDS = 1_800.0
"""A company's share of first loads and of reconciling; the rest is done next time."""
LONG_TOTAL_SECONDS = 6_000.0
"""Below ``max_runtime_seconds`` of ``dagster.yaml``, so that no sweep is given up half-way."""
LONG_THREADS = 32
"""Whole loads queue up before Bronze, and what queues up shares transactions, reads and statements."""
FIRST_THREADS = 64
"""Of first loads, whose commits wait for each other: so many small companies share a transaction.

The peak is that of 32 threads, with 470 objects a company (640 MB) as with 1,900 (1,040 MB), and the CPU time a fifth less.
"""
LEASE_WAIT_SECONDS = 30.0
"""How long webhook events wait for a company somebody else is working on."""

_FOREVER_AGO = datetime.min.replace(tzinfo=UTC)


class Sweeps:
    """The sweeps of one run; a context manager."""

    def __init__(self, installation: "Installation", run_id: str | None) -> None:
        self._installation = installation
        self._run_id = run_id
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def connected(self) -> list[RealmId]:
        """Companies that may be called, the one longest without a sync first."""
        site = current_site()
        companies = [
            each
            for each in self._installation.control.companies.list(ConnectionStatus.CONNECTED)
            if site.works_on(each.realm_id)
        ]
        companies.sort(key=lambda each: (each.last_success_at or _FOREVER_AGO, each.realm_id))
        return [company.realm_id for company in companies]

    def bringing_up_to_date(
        self, realms: Sequence[RealmId], entities: tuple[EntityType, ...]
    ) -> "Iterator[list[Visit]]":
        """Each company from its own watermarks; an idle one costs one call."""
        from ledgerguard_pipeline.ingestion.fleet import Pace

        minutes = self._installation.settings.ledgerguard_sweep_minutes
        # Most of the time until the next tick, which would only find this sweep under way.
        pace = Pace(company=COMPANY_SECONDS, total=max(minutes * 60 * 0.8, 120.0))
        return self._syncs(realms, entities, pace)

    def reconciling(
        self, realms: Sequence[RealmId], entities: tuple[EntityType, ...]
    ) -> "Iterator[list[Visit]]":
        """Each company's counts against Bronze."""
        return self._syncs(realms, entities, _long_pace(), reconcile=True)

    def first_loads(
        self, realms: Sequence[RealmId], entities: tuple[EntityType, ...]
    ) -> "Iterator[list[Visit]]":
        """Those companies that were never loaded completely, by the walk that resumes."""
        known = self._installation.bronze.watermarks_of(realms)
        names = {entity.name for entity in entities}
        fresh = [realm for realm in realms if names - known[realm].keys()]
        pace = replace(_long_pace(), threads=FIRST_THREADS)
        return self._syncs(fresh, entities, pace, together=True)

    def events(self, batch: str) -> "Iterator[list[Visit]]":
        """The webhook events leased under ``batch``, company by company."""
        from ledgerguard_pipeline.control.leases.heartbeat import beating
        from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
        from ledgerguard_pipeline.ingestion.fleet import Pace, Worked

        lease = InboxLease(self._installation.control.inbox, batch)
        realms = list(dict.fromkeys(parse_realm(event.realm_id) for event in lease.events))

        def work(realm: RealmId, limits: "Limits") -> "Worked":
            with (
                self._visit(realm, limits) as service,
                service.open_events(lease, run_id=self._run_id) as sync,
            ):
                result = sync.run()
                return Worked(result, sync.errors)

        pace = Pace(COMPANY_SECONDS, EVENTS_TOTAL_SECONDS, lease_wait=LEASE_WAIT_SECONDS)
        with beating(lease):
            for visits in self._sweep(realms, work, pace):
                for visit in visits:
                    if not visit.result.results:
                        # Nobody began with them: they are due again after a pause.
                        mine = [each for each in lease.events if each.realm_id == visit.realm_id]
                        lease.failed(mine, visit.error or OutOfTime("The sweep ran out of time."))
                yield visits

    def _syncs(
        self,
        realms: Sequence[RealmId],
        entities: tuple[EntityType, ...],
        pace: "Pace",
        *,
        reconcile: bool = False,
        together: bool = False,
    ) -> "Iterator[list[Visit]]":
        """With ``together`` each company's commits wait a moment for those of the others."""
        from ledgerguard_pipeline.control.company_state.idle_notes import SECONDS, IdleNotes
        from ledgerguard_pipeline.control.leases.heartbeat import beating
        from ledgerguard_pipeline.ingestion.fleet import Worked
        from ledgerguard_pipeline.ingestion.sweep_recorder import KnownCompanies

        installation, control = self._installation, self._installation.control
        companies = KnownCompanies(control.sync_states, installation.bronze, realms)
        notes = IdleNotes(control.database, control.environment)

        def work(realm: RealmId, limits: "Limits") -> "Worked":
            request = SyncRequest(
                realm, entities, run_id=self._run_id, reconcile=reconcile, quiet=True
            )
            known = companies.of(realm)
            recorder = installation.sweep_recorder(realm, known, notes)
            with (
                installation.bronze.coming() if together else nullcontext(),
                self._visit(realm, limits, recorder) as service,
                service.open_sync(request, watermarks=known.watermarks) as sync,
            ):
                sync.run()
                return Worked(sync.result(), sync.errors)

        try:
            with beating(notes, seconds=SECONDS):
                yield from self._sweep(realms, work, pace)
        finally:
            notes.flush()

    def _sweep(
        self, realms: Sequence[RealmId], work: "Work", pace: "Pace"
    ) -> "Iterator[list[Visit]]":
        from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
        from ledgerguard_pipeline.ingestion.fleet import Fleet

        control, settings = self._installation.control, self._installation.settings
        each = settings.ledgerguard_max_concurrent_requests
        # An idle company needs one connection; those that load share what is there.
        self._transport = self._installation.transport(
            connections=pace.threads + 4 * each, silence_seconds=pace.company
        )
        self._stack.callback(self._transport.close)
        leases = CompanyLeases(control.leases, settings.intuit_env, clock=control.clock)
        return Fleet(leases, pace, clock=control.clock).sweep(realms, work)

    def _visit(
        self, realm: RealmId, limits: "Limits", recorder: "SweepRecorder | None" = None
    ) -> AbstractContextManager["IngestionService"]:
        return self._installation.visit(
            realm,
            transport=self._transport,
            until=limits.until,
            patience=limits.patience,
            recorder=recorder,
        )


def _long_pace() -> "Pace":
    from ledgerguard_pipeline.ingestion.fleet import Pace

    # A walk may wait out a full minute's budget: it is one of few, and nobody is behind it.
    return replace(
        Pace(LONG_COMPANY_SECONDS, LONG_TOTAL_SECONDS), threads=LONG_THREADS, patience=120.0
    )
