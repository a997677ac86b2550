"""Syncs of the command line: a run of Dagster's job, or none where nothing has changed.

Importing Dagster and recording forty assets take many times what asking Intuit does. So the sync is
begun before: if its first answers bring nothing, it ends there, as in a sweep, and if they bring
something, a run goes on with it, without asking again.

Decision 89 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ledgerguard_pipeline.errors import CompanyBusy, LedgerGuardError
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.late_imports import sparing
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Cadence
    from ledgerguard_pipeline.ingestion.company_sync.sync import CompanySync
    from ledgerguard_pipeline.installation import Installation

    Begun = tuple[CompanySync | LedgerGuardError, ExitStack]


def bring_up_to_date(installation: Installation, requests: Sequence[SyncRequest]) -> SyncResult:
    """Sync each company; a failure of one does not stop the others.

    Raises:
        BadInputError, ConfigurationError, KeyboardInterrupt: as ``run_sync``.
    """
    result = SyncResult()
    rest: list[SyncRequest] = []
    for request in requests:
        with sparing("pandas"):
            found = _begin(installation, request) if _is_recorded(installation, request) else None
        if found is None:
            rest.append(request)
        elif isinstance(found, SyncResult):
            result += found
        else:
            # At once: a company is not held while others are loaded.
            with found[1]:  # ends here what no run went on with
                result += _run(installation, [request], {request.realm_id: found})
    return result + _run(installation, rest, {}) if rest else result


def _run(
    installation: Installation, requests: Sequence[SyncRequest], begun: Mapping[RealmId, Begun]
) -> SyncResult:
    from ledgerguard_pipeline.defs.in_process_run import run_sync
    from ledgerguard_pipeline.defs.run_context import OpenedSync

    opened = {realm: OpenedSync(*each) for realm, each in begun.items()}
    return run_sync(installation.settings, requests, installation=installation, opened=opened)


def _is_recorded(installation: Installation, request: SyncRequest) -> bool:
    """Whether Dagster knows all there is to know, so that no news is nothing to record.

    Every entity type was read in the current window, nothing failed since, and no check but
    warnings fails.
    """
    if request.full or request.reconcile or request.since or request.window:
        return False
    settings, control = installation.settings, installation.control
    if not (settings.ledgerguard_home / "dagster" / "history").is_dir():
        return False
    window = window_begin(settings.ledgerguard_partition_cadence, control.now())
    known = control.sync_states.read([request.realm_id]).get(request.realm_id, {})
    for entity in request.entities:
        state = known.get(entity.name)
        if state is None or state.error or not state.last_sync_at or state.last_sync_at < window:
            return False
    return not any(
        each.severe and each.realm_id == request.realm_id
        for each in control.check_faults.read([each.name for each in request.entities])
    )


def window_begin(cadence: Cadence, now: datetime) -> datetime:
    """When the window of Dagster's grid that holds ``now`` began."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence == "monthly":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if cadence == "weekly" else day


def _begin(installation: Installation, request: SyncRequest) -> SyncResult | Begun | None:
    """A sync that brought nothing, one that a run has to go on with, or None: a run begins it."""
    from ledgerguard_pipeline.config.process_tuning import prepare_for_loads
    from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases

    prepare_for_loads()
    control, realm = installation.control, request.realm_id
    leases = CompanyLeases(control.leases, control.environment, clock=control.clock)
    with ExitStack() as stack:
        try:
            stack.enter_context(leases.kept())
            stack.enter_context(leases.of(realm))
            sync = stack.enter_context(installation.service(realm).open_sync(request))
        except CompanyBusy:
            return None
        except LedgerGuardError as error:
            return error, stack.pop_all()
        return sync.run() if sync.quiet() else (sync, stack.pop_all())
