from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.values import Environment, RealmId

AUTHORIZE = "https://appcenter.intuit.com/connect/oauth2?state=s"
ACME = Company(
    realm_id=RealmId("9341453474484455"),
    environment=Environment.SANDBOX,
    name="Acme <script>alert(1)</script> & Sons",
    status=ConnectionStatus.CONNECTED,
    connected_at=datetime(2026, 11, 1, tzinfo=UTC),
)


@dataclass
class FixedConsents:
    """Stands for the connector, whose own promises are tested in auth."""

    outcome: Company | Exception = ACME
    seen: list[Mapping[str, str]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    """The browser session each consent began or ended in."""
    disconnected: list[RealmId] = field(default_factory=list)

    def begin(self, *, session: str = "") -> str:
        self.sessions.append(session)
        if isinstance(self.outcome, LedgerGuardError):
            raise self.outcome
        return AUTHORIZE

    def complete(self, params: Mapping[str, str], *, session: str = "") -> Company:
        self.seen.append(params)
        self.sessions.append(session)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def disconnect(self, realm: RealmId) -> Company:
        self.disconnected.append(realm)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return replace(self.outcome, status=ConnectionStatus.DISCONNECTED)


class FixedReads:
    """Stands for the API client of one company."""

    def __init__(self, asked: list[RealmId], realm: RealmId) -> None:
        self._asked = asked
        self._realm = realm

    def company_info(self) -> object:
        self._asked.append(self._realm)
        return None


@dataclass
class Edge:
    """The part of an installation the web application uses."""

    settings: Settings
    connector: FixedConsents
    asked: list[RealmId] = field(default_factory=list)
    """Companies an API call was made for."""

    @cached_property
    def control(self) -> ControlPlane:
        return ControlPlane.open(self.settings)

    def client(self, realm_id: RealmId) -> FixedReads:
        return FixedReads(self.asked, realm_id)


@pytest.fixture
def consents() -> FixedConsents:
    return FixedConsents()


@pytest.fixture
def edge(consents: FixedConsents, monkeypatch: pytest.MonkeyPatch) -> Edge:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = load_settings(
        _env_file=None, intuit_client_id="app", intuit_client_secret="made-up-secret"
    )
    return Edge(settings, consents)
