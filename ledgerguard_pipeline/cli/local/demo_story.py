"""The steps of the demo and its findings."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

from ledgerguard_pipeline.bronze.open_store import open_bronze
from ledgerguard_pipeline.cli.commands.status import statuses
from ledgerguard_pipeline.cli.commands.sync import check, execute
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.members import without_signed_links
from ledgerguard_pipeline.web.app import create_waiting_app
from ledgerguard_pipeline.web.serving import listen, serving

if TYPE_CHECKING:
    from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle

_DIRECT = build_opener(ProxyHandler({}))
_CONSENT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Live objects in QuickBooks, and how many of them Bronze holds with the very same bytes."""

    objects: int
    identical: int
    only_in_bronze: int

    @property
    def equal(self) -> bool:
        return self.objects == self.identical and self.only_in_bronze == 0


@dataclass
class Story:
    """The demo's progress; each step needs the ones before."""

    settings: Settings
    sandbox: SandboxHandle
    company: Company | None = None
    first: SyncResult = field(default_factory=SyncResult)
    first_seconds: float = 0.0
    edits: list[str] = field(default_factory=list)
    second: SyncResult = field(default_factory=SyncResult)
    second_seconds: float = 0.0
    comparison: Comparison = field(default_factory=lambda: Comparison(0, 0, 0))
    company_status: CompanyStatus | None = None

    @property
    def ok(self) -> bool:
        """True if both syncs ended well and Bronze equals QuickBooks."""
        return self.first.ok and self.second.ok and self.comparison.equal

    def connect(self) -> None:
        """Real OAuth: our callback server, the sandbox's consent page, code, tokens."""
        from ledgerguard_pipeline.cli.commands.connect import callback_address

        answers: queue.SimpleQueue[Company | LedgerGuardError] = queue.SimpleQueue()
        sockets = listen(*callback_address(self.settings))
        with Installation.open(self.settings) as installation:
            with serving(create_waiting_app(installation, answers.put), sockets):
                callback = self.sandbox.consent(installation.connector.begin())
                with _DIRECT.open(callback, timeout=_CONSENT_SECONDS):
                    pass
            answer = answers.get(timeout=_CONSENT_SECONDS)
        if isinstance(answer, LedgerGuardError):
            raise answer
        self.company = answer

    def load(self, *, quiet: bool) -> None:
        """The first full load, through the Dagster job."""
        self.first, self.first_seconds = self._sync(quiet=quiet)

    def change_books(self) -> None:
        """A minute of a bookkeeper's work."""
        self.edits = change_books(self.sandbox)

    def sync_changes(self, *, quiet: bool) -> None:
        """An incremental sync: only what changed since."""
        self.second, self.second_seconds = self._sync(quiet=quiet)

    def compare(self) -> None:
        """Every live object of every entity, byte for byte; then its health."""
        objects = identical = surplus = 0
        held = self._held()
        for entity in self.settings.kept_entities:
            bodies = self.sandbox.truth(entity.name).bodies()
            truth = {id: without_signed_links(body) for id, body in bodies.items()}
            stored = held[entity.name]
            objects += len(truth)
            identical += sum(stored.get(id) == body for id, body in truth.items())
            surplus += len(stored.keys() - truth.keys())
        self.comparison = Comparison(objects, identical, surplus)
        self.company_status = next(iter(statuses(self.settings)))

    def _held(self) -> dict[str, dict[str, bytes]]:
        """What Bronze shows of every entity, by id; one statement, since each opens the file."""
        kept = self.settings.kept_entities
        selects = [
            f"SELECT '{each.name}', id, payload FROM bronze.{each.table}_current" for each in kept
        ]
        held: dict[str, dict[str, bytes]] = {each.name: {} for each in kept}
        for name, id, payload in open_bronze(self.settings).sql(" UNION ALL ".join(selects)).rows:
            held[str(name)][str(id)] = str(payload).encode()
        return held

    def to_json(self) -> dict[str, object]:
        return {
            "ok": self.ok,
            "company": None if self.company_status is None else self.company_status.to_json(),
            "first_load": self.first.to_json(),
            "edits": self.edits,
            "incremental": self.second.to_json(),
            "objects": self.comparison.objects,
            "identical": self.comparison.identical,
            "home": str(self.settings.ledgerguard_home),
        }

    def _sync(self, *, quiet: bool) -> tuple[SyncResult, float]:
        started = time.monotonic()
        with Installation.open(self.settings) as installation:
            requests, month = check(installation, None, None, full=False, since=None)
            result = execute(installation, requests, month_to_date=month, quiet=quiet)
        return result, time.monotonic() - started


def change_books(sandbox: SandboxHandle) -> list[str]:
    """An afternoon of a bookkeeper's work; returns it in words."""
    invoice = sandbox.edit("create", "Invoice")["id"]
    sandbox.edit("update", "Customer", note="Prefers e-mail \N{ENVELOPE}")
    sandbox.edit("void", "Invoice")
    sandbox.edit("delete", "Estimate")
    sandbox.edit("deactivate", "Employee")
    sandbox.edit("create", "Payment")
    sandbox.edit("touch_balance", "Account")
    return [
        f"wrote invoice {invoice}",
        "changed a customer",
        "voided an invoice",
        "deleted an estimate",
        "made an employee inactive",
        "received a payment",
        "an account balance moved by itself",
    ]
