"""A company of the sandbox, an installation that syncs it, and its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.transport.gate import CallRecorder
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.storage import DuckDBStorage
from ledgerguard_pipeline.tieout.account_levels.levels import Levels
from ledgerguard_pipeline.tieout.differences import TieOut
from ledgerguard_pipeline.tieout.document_levels.levels import DocumentLevels
from ledgerguard_pipeline.tieout.journal_sync import JournalSync

NOW = 1_795_300_000
TODAY = date(2026, 11, 21)
OCTOBER = date(2026, 10, 31)


@dataclass(slots=True)
class Books:
    """Everything a test of the journal touches."""

    sandbox: SandboxServer
    client: QBOClient
    store: BronzeStore
    sync: JournalSync
    levels: Levels
    documents: DocumentLevels
    file: Path

    @property
    def realm(self) -> str:
        return self.sandbox.realm_id

    @property
    def company(self) -> SandboxCompany:
        return next(iter(self.sandbox.world.companies.values()))

    @property
    def tie_out(self) -> TieOut:
        return TieOut(self.store.workspace)

    def sync_entities(self, *entities: str) -> None:
        """Bring Bronze up to date."""
        IngestionService(self.client, self.store).run_batch_ingestion(list(entities))

    def journal_balances(self) -> dict[str, Decimal]:
        sums = self.sync.journal.sums(self.realm, date(2027, 12, 31))
        return {each.account_id: each.amount for each in sums if each.amount}

    def ledger_balances(self) -> dict[str, Decimal]:
        return {id: amount for id, amount in self.company.ledger.accounts.items() if amount}


@contextmanager
def open_sandbox(*, seed: int = 1, varied: bool = True) -> Iterator[SandboxServer]:
    """A sandbox with one company."""
    company = build_company(varied=varied, invoices=10, now=NOW, seed=seed)
    with SandboxServer([company]) as sandbox:
        sandbox.set(limits=False, reports={})
        yield sandbox


@contextmanager
def open_client(sandbox: SandboxServer, ledger: CallRecorder | None = None) -> Iterator[QBOClient]:
    """A client of its company with a grant of its own."""
    tokens = sandbox.issue_tokens()[0]
    with QBOClient(
        sandbox.client_id,
        sandbox.client_secret,
        "http://localhost:8000/api/v1/auth/callback",
        "sandbox",
        base_url=sandbox.base_url,
        realm_id=sandbox.realm_id,
        ledger=ledger,
    ) as client:
        client.set_tokens(tokens.access_token, tokens.refresh_token)
        yield client


@contextmanager
def open_books(sandbox: SandboxServer, file: Path, *, silver: bool = False) -> Iterator[Books]:
    """Its company, connected; without Silver also its lists and some documents in Bronze."""
    with open_client(sandbox) as client:
        store = DuckDBStorage(file, "sandbox", silver=silver)
        loads = ReportLoads(client, store, sandbox.realm_id)
        sync = JournalSync(loads, store, sandbox.realm_id, SYSTEM_CLOCK)
        realm = sandbox.realm_id
        books = Books(
            sandbox,
            client,
            store,
            sync,
            Levels(loads, store, realm, sync),
            DocumentLevels(loads, store, realm, sync, SYSTEM_CLOCK, client.capabilities),
            file,
        )
        if not silver and not file.exists():
            books.sync_entities("Account", "CompanyInfo", "Preferences", "Bill", "Purchase")
        yield books
