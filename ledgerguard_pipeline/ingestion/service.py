"""The one way into Bronze: what the command line, Dagster and library users call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from ledgerguard_pipeline import entities as registry
from ledgerguard_pipeline.arguments import also_called, instant
from ledgerguard_pipeline.bronze.open_store import serve
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import BadInputError, IngestionError, LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.ingestion.company_sync.sync import CompanySync
from ledgerguard_pipeline.ingestion.events.event_lease import EventLease
from ledgerguard_pipeline.ingestion.events.event_sync import EventSync
from ledgerguard_pipeline.ingestion.recorder import Recorder
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.ingestion.service_results import BatchResult, ConnectionTest, StatusReport
from ledgerguard_pipeline.ingestion.standalone_status import standalone_status
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.result import iso
from ledgerguard_pipeline.values import RealmId


class IngestionService:
    """Brings one company's books into Bronze.

    ``client`` is connected to the company; ``storage`` is the Bronze of its environment. An
    installation adds the rest: ``recorder`` keeps how every sync went and says what may still be
    spent, ``company_status`` how well the company is.
    """

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        *,
        clock: Clock = SYSTEM_CLOCK,
        recorder: Recorder | None = None,
        company_status: Callable[[], CompanyStatus | None] | None = None,
    ) -> None:
        """Nothing is read yet.

        Raises:
            BadInputError: it is no client, or no store.
            WrongEnvironment: the store belongs to the other Intuit environment.
        """
        _check_parts(client, storage)
        serve(storage, client.environment)
        self._recorder = Recorder() if recorder is None else recorder
        self._company_status = company_status
        self._client = client
        self._storage = storage
        self._clock = clock
        self._failures: dict[str, str] = {}

    @property
    def realm_id(self) -> RealmId:
        """The company this service works for.

        Raises:
            BadInputError: the client is not connected to one.
        """
        realm = self._client.realm_id
        if realm is None:
            raise BadInputError(
                "The client is connected to no company. Exchange a code or set tokens first, and "
                "set client.realm_id."
            )
        return realm

    def open_sync(
        self, request: SyncRequest, *, watermarks: Mapping[str, datetime] | None = None
    ) -> CompanySync:
        """Prepare a sync; enter it to start. ``watermarks`` are Bronze's, if known already."""
        return CompanySync(
            self._client,
            self._storage,
            request,
            clock=self._clock,
            recorder=self._recorder,
            watermarks=watermarks,
        )

    def open_events(self, lease: EventLease, *, run_id: str | None = None) -> EventSync:
        """Prepare acting upon webhook events of this company; enter it to start."""
        return EventSync(
            self._client,
            self._storage,
            self.realm_id,
            lease,
            run_id=run_id,
            clock=self._clock,
            recorder=self._recorder,
        )

    @also_called(entities="entity_types")
    def run_batch_ingestion(
        self,
        entity_types: Sequence[str] | str | None = None,
        since: datetime | str | None = None,
        force_full_sync: bool = False,  # noqa: FBT001, FBT002  # the documented signature
        *,
        run_id: str | None = None,
    ) -> BatchResult:
        """Sync some or all entity types and say what that did.

        Each type is brought up to date from its own watermark; ``since`` (a datetime or ISO 8601)
        reads changes from then on once more, ``force_full_sync`` reads everything. One failing
        type is named in ``errors`` and does not stop the others.

        Raises:
            BadInputError: an unknown entity type, a ``since`` that is no time or in the future,
                or the client has no company.
            IngestionError: nothing could be done: every type failed (its ``result`` has each
                one's reason), or Bronze could not be opened. ``__cause__`` is the first failure.
            WrongEnvironment: the store belongs to the other Intuit environment.
        """
        moment = None if since is None else instant(since, "since")
        if moment is not None and moment > self._clock.now():
            raise BadInputError(f"since={moment.isoformat()} is in the future.")
        request = SyncRequest(
            realm_id=self.realm_id,
            entities=registry.entity_types(entity_types),
            full=bool(force_full_sync),
            since=moment,
            run_id=run_id,
        )
        with self._begun(request) as sync:
            done = sync.run()
        self._remember(done)
        result = BatchResult.of(done.to_json())
        if done.failed and all(each.status != "ok" for each in done.results):
            cause = next(iter(sync.errors), None)
            raise _nothing_done(done, result, cause) from cause
        return result

    def get_ingestion_status(self) -> StatusReport:
        """The status of this company: rows in Bronze, progress of each entity, health and why.

        In an installation it is the answer of ``ledgerguard status``, without any call. A
        client used on its own asks Bronze, and Intuit whether it answers; what failed is known
        from this object's own runs.
        """
        realm = self.realm_id
        company_status = None if self._company_status is None else self._company_status()
        if company_status is not None:
            return StatusReport.of(company_status.to_json(), company_status.watermarks)
        alone = standalone_status(
            self._client, self._storage, realm, self._failures, self._clock.now()
        )
        report = alone.company_status.to_json() | {"is_connected": alone.answered}
        reported = {name: iso(moment) for name, moment in alone.watermarks.items()}
        return StatusReport.of(report, reported)

    def test_connection(self) -> ConnectionTest:
        """Ask Intuit for the company's name; never raises for a connection that does not work.

        Raises:
            BadInputError: the client has no company.
        """
        realm = self.realm_id
        report = self._client.get_connection_status()
        return ConnectionTest(
            success=report.is_connected,
            realm_id=realm,
            company_name=report.company_name,
            response_time_ms=report.response_time_ms,
            message=report.error or f"Connected to {report.company_name} (company {realm}).",
        )

    @contextmanager
    def _begun(self, request: SyncRequest) -> Iterator[CompanySync]:
        """A sync under way; that it cannot begin is a failure of everything."""
        sync = self.open_sync(request)
        try:
            sync.__enter__()
        except LedgerGuardError as error:
            if error.exit_code == 2:  # the store, a setting or what was asked is wrong
                raise
            raise IngestionError(
                f"The ingestion could not start, so nothing was done. {error.message}",
                realm_id=request.realm_id,
                status=error.status,
                fault_code=error.fault_code,
            ) from error
        with closing(sync):
            yield sync

    def _remember(self, done: SyncResult) -> None:
        for each in done.results:
            self._failures.pop(each.entity, None)
            if each.status == "failed":
                self._failures[each.entity] = str(each.error)


def _check_parts(client: object, storage: object) -> None:
    if not isinstance(client, QBOClient):
        raise BadInputError(
            f"IngestionService reads through a QBOClient, not {type(client).__name__}."
        )
    if isinstance(storage, str | Path):
        raise BadInputError("This is a path, not a storage: pass DuckDBStorage(db_path=...).")
    if not isinstance(storage, BronzeStore):
        raise BadInputError(
            f"IngestionService writes to a DuckDBStorage, not {type(storage).__name__}."
        )


def _nothing_done(
    done: SyncResult, result: BatchResult, cause: LedgerGuardError | None
) -> IngestionError:
    failed = done.failed
    what = (
        f"None of the {len(failed)} entity types could be brought up to date"
        if len(failed) > 1
        else f"{failed[0].entity} could not be brought up to date"
    )
    error = IngestionError(
        f"{what}. {failed[0].error if cause is None else cause.message}",
        realm_id=failed[0].realm_id,
        entity=failed[0].entity if len(failed) == 1 else None,
        fault_code=None if cause is None else cause.fault_code,
        intuit_tid=None if cause is None else cause.intuit_tid,
        status=None if cause is None else cause.status,
    )
    error.result = result
    return error
