"""The one way into Bronze: what the command line, Dagster and library users call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ledgerguard_pipeline import entities as registry
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.budget import CallBudget
from ledgerguard_pipeline.control.companies import CompanyStore
from ledgerguard_pipeline.control.marks import SyncMarks
from ledgerguard_pipeline.errors import BadInputError, QBOAPIError, QBOAuthError
from ledgerguard_pipeline.ingestion.event_lease import EventLease
from ledgerguard_pipeline.ingestion.events import EventSync
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.standing import Standing
from ledgerguard_pipeline.ingestion.sync import CompanySync
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import RealmId


class IngestionService:
    """Brings one company's books into Bronze.

    ``client`` is connected to the company; ``storage`` is the Bronze of its environment. An
    installation adds the rest: ``companies`` and ``marks`` are told how every sync went,
    ``budget`` says what may still be spent, ``standing`` how the company stands.
    """

    def __init__(
        self,
        client: QBOClient,
        storage: BronzeStore,
        *,
        clock: Clock = SYSTEM_CLOCK,
        companies: CompanyStore | None = None,
        marks: SyncMarks | None = None,
        budget: CallBudget | None = None,
        standing: Callable[[], Standing | None] | None = None,
    ) -> None:
        self._companies = companies
        self._marks = marks
        self._budget = budget
        self._standing = standing
        self._client = client
        self._storage = storage
        self._clock = clock

    @property
    def realm_id(self) -> RealmId:
        """The company this service works for.

        Raises:
            BadInputError: the client is not connected to one.
        """
        realm = self._client.realm_id
        if realm is None:
            raise BadInputError(
                "The client is connected to no company. Exchange a code or set tokens first."
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
            companies=self._companies,
            marks=self._marks,
            budget=self._budget,
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
            companies=self._companies,
            marks=self._marks,
        )

    def run_batch_ingestion(
        self,
        entity_types: Sequence[str] | None = None,
        since: datetime | None = None,
        force_full_sync: bool = False,  # noqa: FBT001, FBT002  # the documented signature
        *,
        run_id: str | None = None,
    ) -> dict[str, object]:
        """Sync some or all entity types and return the document of ``ledgerguard sync --json``.

        One failing entity is reported in its result and does not stop the others.

        Raises:
            BadInputError: an unknown entity, or a ``since`` in the future or without offset.
        """
        if since is not None and since.tzinfo is None:
            raise BadInputError(f"since={since.isoformat()} has no UTC offset; add one.")
        if since is not None and since > self._clock.now():
            raise BadInputError(f"since={since.isoformat()} lies in the future.")
        request = SyncRequest(
            realm_id=self.realm_id,
            entities=registry.entity_types(entity_types),
            full=force_full_sync,
            since=since,
            run_id=run_id,
        )
        with self.open_sync(request) as sync:
            return sync.run().to_json()

    def get_ingestion_status(self) -> dict[str, object]:
        """How this company stands: what Bronze holds, how far each entity is, health and why.

        In an installation it is the verdict of ``ledgerguard status``, without any call. A
        client used on its own asks Bronze, and Intuit whether it answers.
        """
        realm = self.realm_id
        watermarks = self._storage.watermarks(realm)
        status: dict[str, object] = {
            "watermarks": {name: _iso(instant) for name, instant in watermarks.items()}
        }
        standing = None if self._standing is None else self._standing()
        if standing is not None:
            return standing.to_json() | status
        return {
            "realm_id": realm,
            "is_connected": self.test_connection(),
            "last_sync_time": _iso(max(watermarks.values(), default=None)),
            "entity_counts": dict(self._storage.counts(realm)),
        } | status

    def test_connection(self) -> bool:
        """True when Intuit answers a CompanyInfo read for this company."""
        try:
            self._client.company_info()
        except (QBOAPIError, QBOAuthError):
            return False
        return True


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
