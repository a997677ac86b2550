"""Companies of the sandbox in one store, and reports that are not asked for twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.report_loads import ReportLoad, ReportLoads
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.reporting import WINDOW_MONTHS
from ledgerguard_pipeline.reports.cut import why_cut
from ledgerguard_pipeline.reports.shape import read_shape
from ledgerguard_pipeline.reports.types import ReportRequest
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.storage import DuckDBStorage
from ledgerguard_pipeline.tieout.postings.rules import POSTING
from ledgerguard_pipeline.tieout.proof import Proof, ProofResult
from ledgerguard_pipeline.values import Mode

ANY_STATE = "Active IN (true, false)"
ENTITIES = ("Account", "CompanyInfo", "Customer", "Item", "Preferences", "Vendor", *POSTING)
"""What a comparison rests on."""


class UnkeptReports(ReportLoads):
    """Asks for reports and does not keep them."""

    def request(self, request: ReportRequest, *, months: int = WINDOW_MONTHS) -> ReportLoad:
        answers = (
            list(self._client.requested_windows(request, months=months))
            if request.divisible
            else [self._client.requested_report(request)]
        )
        return ReportLoad(request.type.name, answers, ["" for _ in answers])


class CachedReports(ReportLoads):
    """Opens a report it has read before from its bytes anew, instead of asking for it."""

    def __init__(self, client: QBOClient, store: BronzeStore, realm: str) -> None:
        super().__init__(client, store, realm)
        self._known: dict[tuple[str, str], ReportLoad] = {}

    def request(self, request: ReportRequest, *, months: int = WINDOW_MONTHS) -> ReportLoad:
        question = request.type.name, str(sorted(request.params.items()))
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = super().request(request, months=months)
            return known
        opened = [replace(each, report=read_shape(each.payload)) for each in known.answers]
        for each in opened:
            why_cut(each.report)
        return replace(known, answers=opened)

    def of(self, store: BronzeStore) -> CachedReports:
        """The same answers for a copy of the store."""
        self._store = store
        return self


@dataclass(frozen=True, slots=True)
class Books:
    """One company and its client."""

    sandbox: SandboxServer
    client: QBOClient
    realm: str

    def sync(self, store: BronzeStore) -> None:
        """Bring Bronze and Silver up to date."""
        IngestionService(self.client, store).run_batch_ingestion(list(ENTITIES))

    def load(self, store: BronzeStore) -> None:
        """The same in one commit, which is what a first load of many companies takes most of."""
        now = datetime.now(UTC)
        loads = []
        for name in ENTITIES:
            kind = entity_type(name)
            records = (
                self.client.changes([kind], now - timedelta(days=29)).groups[name].records
                if name == "InventoryAdjustment"
                else self.client.query_entities(kind, ANY_STATE if kind.soft_delete else None)
            )
            loads.append(
                Load(
                    load_id=f"{self.realm}-{name}",
                    realm_id=self.realm,
                    entity=kind,
                    mode=Mode.FULL,
                    run_id=None,
                    records=records,
                    started_at=now,
                    watermark=now,
                )
            )
        store.commit(loads)

    def prove(self, store: BronzeStore, loads: ReportLoads | None = None) -> ProofResult:
        """Compare every level; ``loads`` has the reports, else they are asked for and kept."""
        return Proof(self.client, store, self.realm, SYSTEM_CLOCK, loads=loads).run()


def store_at(file: Path) -> BronzeStore:
    """A store with Silver."""
    return DuckDBStorage(file, "sandbox")


@contextmanager
def served(companies: Iterable[SandboxCompany]) -> Iterator[list[Books]]:
    """These companies behind the sandbox's HTTP interface."""
    with SandboxServer(list(companies)) as sandbox, ExitStack() as stack:
        sandbox.set(limits=False, reports={})
        found = []
        for grant in sandbox.issue_tokens():
            client = QBOClient(
                sandbox.client_id,
                sandbox.client_secret,
                "http://localhost:8000/api/v1/auth/callback",
                "sandbox",
                base_url=sandbox.base_url,
                realm_id=grant.realm,
            )
            stack.enter_context(client)
            client.set_tokens(grant.access_token, grant.refresh_token)
            found.append(Books(sandbox, client, grant.realm))
        yield found
