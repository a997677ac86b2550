"""Everything one sandbox server holds."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ledgerguard_pipeline.sandbox.api.faults import Faults
from ledgerguard_pipeline.sandbox.api.grants import GrantBook
from ledgerguard_pipeline.sandbox.api.limits import Limits
from ledgerguard_pipeline.sandbox.api.stats import Stats
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.query.engine import QueryEngine
from ledgerguard_pipeline.sandbox.reports.answer import Reports
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.sandbox.webhooks.deliveries import Deliveries

CLIENT_ID = "ABsandboxClientIdOfTheLocalQuickBooks"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  # opens made-up books only


class World:
    """The companies, the authorization server's memory, the switches and the counts.

    ``redirect_uris`` are the registered ones (compared exactly); None admits any.
    """

    def __init__(
        self,
        companies: Iterable[SandboxCompany],
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        redirect_uris: Iterable[str] | None = None,
        switches: Switches | None = None,
        grants: GrantBook | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.companies = {company.realm_id: company for company in companies}
        self.engines = {
            realm: QueryEngine(company.tables, self.switches)
            for realm, company in self.companies.items()
        }
        self.reports = {realm: Reports(company) for realm, company in self.companies.items()}
        self.client_id = client_id
        self.client_secret = client_secret
        self.redirect_uris = None if redirect_uris is None else frozenset(redirect_uris)
        self.grants = grants or GrantBook(self.switches)
        self.grants.use(self.switches)
        self.limits = Limits(self.switches)
        self.faults = Faults()
        self.stats = Stats()
        self.webhooks = Deliveries(client_id, self.grants.connected, self.now)
        for company in self.companies.values():
            company.observer = self.webhooks

    def now(self) -> float:
        """The sandbox's own time, in epoch seconds."""
        return time.time() + self.switches.clock_offset_seconds

    def close(self) -> None:
        """Send no more webhooks."""
        self.webhooks.close()
