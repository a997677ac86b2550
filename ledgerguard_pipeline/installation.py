"""One installation, put together from its settings: the place where the layers meet.

Everything is opened on first use, so that a command that only lists companies needs neither
credentials nor Bronze.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog

from ledgerguard_pipeline.auth.connect import Connector
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import (
    BadInputError,
    BronzeUnusable,
    LedgerGuardError,
    ReauthorizationRequired,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import TokenSource
from ledgerguard_pipeline.qbo.transport.gate import BoundedGate, CallGate
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import CONNECT_SECONDS, READ_SECONDS, Transport
from ledgerguard_pipeline.qbo.transport.retry import RetryPolicy
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.backends.kept_instance import Connect
    from ledgerguard_pipeline.control.company_state.idle_notes import IdleNotes
    from ledgerguard_pipeline.health.company_status import CompanyStatus
    from ledgerguard_pipeline.ingestion.attachments.loads import AttachmentLoads
    from ledgerguard_pipeline.ingestion.recorder import Kept, Recorder
    from ledgerguard_pipeline.ingestion.service import IngestionService
    from ledgerguard_pipeline.ingestion.sweep_recorder import KnownCompany, SweepRecorder
    from ledgerguard_pipeline.storage import LayeredStore

LOCK_WAIT_SECONDS = 60.0
_log = structlog.get_logger(__name__)

NOTEBOOK_COPY = Path("notebooks") / "books.duckdb"
"""In the home: the copy that notebooks read where nobody asked for another."""


class Installation(Closing):
    """Settings, control plane, grants and Bronze of one home. A context manager; thread-safe."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        connect: Connect | None = None,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    ) -> None:
        self._lock_wait_seconds = lock_wait_seconds
        self.settings = settings
        self.clock = clock
        self._connect = connect
        self._lock = threading.RLock()
        self._clients: dict[RealmId, QBOClient] = {}
        self._owns_control = True

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        connect: Connect | None = None,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    ) -> Installation:
        """An installation of these settings; nothing is opened yet.

        ``lock_wait_seconds`` is how long the embedded Bronze file is waited for.
        """
        return cls(settings, clock=clock, connect=connect, lock_wait_seconds=lock_wait_seconds)

    def close(self) -> None:
        """Close connections and the control plane."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            if self._owns_control and "control" in self.__dict__:
                self.control.close()

    def sharing(self, *, connect: Connect | None, lock_wait_seconds: float) -> Installation:
        """The same installation with Bronze opened another way, or as here without ``connect``.

        Control plane and tokens are those of this one, and stay open when the other is closed.

        Raises:
            ConfigurationError, KeyUnavailable: as ``ControlPlane.open``.
        """
        other = Installation(
            self.settings,
            clock=self.clock,
            connect=connect,
            lock_wait_seconds=lock_wait_seconds,
        )
        other._owns_control = False
        other.control = self.control
        if connect is None:
            other.bronze = self.bronze
        if "token_provider" in self.__dict__:
            other.token_provider = self.token_provider
        return other

    @cached_property
    def control(self) -> ControlPlane:
        """The control plane, created on first use.

        Raises:
            ConfigurationError, KeyUnavailable: as ``ControlPlane.open``.
        """
        return ControlPlane.open(self.settings, clock=self.clock)

    @cached_property
    def oauth(self) -> OAuthEndpoint:
        """Intuit's authorization server for this app.

        Raises:
            ConfigurationError: the app's credentials are not set.
        """
        client_id, client_secret = self.settings.credentials()
        hosts = Hosts.of(self.settings.intuit_env, self.settings.intuit_base_url)
        return OAuthEndpoint(
            client_id, client_secret, self.settings.intuit_redirect_uri, hosts, clock=self.clock
        )

    @cached_property
    def token_provider(self) -> TokenProvider:
        """The one source of access tokens."""
        return TokenProvider(self.control, self.oauth)

    @cached_property
    def connector(self) -> Connector:
        """Connects and disconnects companies."""
        return Connector(self.control, self.oauth, self._client)

    @cached_property
    def bronze(self) -> LayeredStore:
        """The Bronze store of this environment; opened per use only."""
        from ledgerguard_pipeline.bronze.open_store import open_bronze
        from ledgerguard_pipeline.silver.follow import SilverFollower
        from ledgerguard_pipeline.storage import LayeredStore

        silver = self.settings.ledgerguard_silver == "on"
        store = open_bronze(
            self.settings,
            kind=LayeredStore,
            clock=self.clock,
            connect=self._connect,
            lock_wait_seconds=self._lock_wait_seconds,
            noticed=self.bronze_noticed,
            follower=SilverFollower(self.clock) if silver else None,
        )
        store.admit = self._admit
        return cast("LayeredStore", store)

    def forget(
        self,
        realm_id: RealmId,
        *,
        delete_rows: bool = False,
        delete_files: bool = False,
        wait: float = 120.0,
    ) -> None:
        """Take a company out of this installation; its rows and attached files stay unless asked.

        One that was forgotten before, and has rows or files here still, can be named to delete them.
        A sync of it that is still under way is waited for: it would bring rows back.

        Raises:
            BadInputError: it was never connected and has nothing here, or is connected still.
            CompanyBusy: a sync of it did not end within ``wait`` seconds.
            IngestionError: its attached files cannot be deleted, or a copy for readers keeps its rows.
        """
        from ledgerguard_pipeline.forgetting import Forgetting

        forgetting = Forgetting(
            self.settings, self.control, lambda: self.bronze, self.clock, realm_id,
            kept=self.settings.ledgerguard_snapshot,
            own=self.settings.ledgerguard_home / NOTEBOOK_COPY,
        )  # fmt: skip
        forgetting.run(rows=delete_rows, files=delete_files, wait=wait)

    def _admit(self, realm: str) -> None:
        """Nothing more is kept of a company that was disconnected on purpose, or forgotten."""
        company = self.control.companies.require(RealmId(realm))
        if company.status is ConnectionStatus.DISCONNECTED:
            raise BadInputError(str(company.not_connected), realm_id=realm)

    def client(self, realm_id: RealmId) -> QBOClient:
        """The client of a connected company; the same one for every caller.

        Raises:
            BadInputError: the company was never connected, or is disconnected.
            ReauthorizationRequired: its grant is dead; somebody has to connect it again.
            ConfigurationError: the app's credentials are not set.
        """
        company = self.control.companies.require(realm_id)
        lost = company.not_connected
        if lost is not None and company.status is ConnectionStatus.NEEDS_REAUTH:
            raise ReauthorizationRequired(lost, realm_id=realm_id)
        if lost is not None:
            raise BadInputError(lost, realm_id=realm_id)
        with self._lock:
            if realm_id not in self._clients:
                self._clients[realm_id] = self._client(realm_id, self.token_provider)
            return self._clients[realm_id]

    def service(self, realm_id: RealmId) -> IngestionService:
        """The ingestion service of a connected company.

        Raises:
            BadInputError, ReauthorizationRequired, ConfigurationError: as ``client``.
        """
        from ledgerguard_pipeline.ingestion.service import IngestionService

        return IngestionService(
            self.client(realm_id),
            self.bronze,
            clock=self.clock,
            recorder=self._recorder(realm_id),
            company_status=lambda: self.company_status(realm_id),
        )

    @contextmanager
    def attachment_loads(
        self, realm_id: RealmId, run_id: str | None = None
    ) -> Iterator[AttachmentLoads]:
        """Downloads the attached files of a connected company.

        Raises:
            BadInputError, ReauthorizationRequired, ConfigurationError: as ``client``.
        """
        from ledgerguard_pipeline.ingestion.attachments.folder import open_folder_for_downloads
        from ledgerguard_pipeline.ingestion.attachments.loads import AttachmentLoads
        from ledgerguard_pipeline.qbo.transport.downloads import Downloads

        folder = open_folder_for_downloads(self.settings)
        with Downloads(self.settings.intuit_base_url, self.clock) as downloads:
            yield AttachmentLoads(
                self.client(realm_id), self.bronze, folder, downloads, self.clock, run_id,
                self.control.companies.require_connected,
            )  # fmt: skip

    @contextmanager
    def visit(
        self,
        realm_id: RealmId,
        *,
        transport: Transport,
        until: float,
        patience: float,
        recorder: Recorder | None = None,
    ) -> Iterator[IngestionService]:
        """The service of a connected company for one visit of a sweep.

        Nothing of it is kept, and its connections are those of ``transport``, so thousands of
        companies cost no more memory than those under way. No call is begun after ``until``
        (``clock.monotonic()`` seconds) or waits longer than ``patience`` seconds for a permit.
        ``recorder`` is one that the sweep's companies share their notes by.

        Raises:
            ConfigurationError: the app's credentials are not set.
        """
        from ledgerguard_pipeline.ingestion.service import IngestionService

        share = max(until - self.clock.monotonic(), 1.0)
        with self._client(
            realm_id,
            self.token_provider,
            gate=BoundedGate(self.control.guard, self.clock, until=until, patience=patience),
            policy=RetryPolicy(total_seconds=share),
            transport=transport,
        ) as client:
            yield IngestionService(
                client,
                self.bronze,
                clock=self.clock,
                recorder=recorder or self._recorder(realm_id),
            )

    def sweep_recorder(
        self, realm_id: RealmId, known: KnownCompany, notes: IdleNotes
    ) -> SweepRecorder:
        """Keeps the record of a company of a sweep together with the others."""
        from ledgerguard_pipeline.ingestion.sweep_recorder import SweepRecorder

        return SweepRecorder(self._kept(realm_id), known, notes)

    def transport(self, *, connections: int, silence_seconds: float) -> Transport:
        """Connections for many companies, which all live on the same hosts.

        ``silence_seconds`` is how long an answer may be waited for.

        Raises:
            ConfigurationError: the app's credentials are not set.
        """
        client_id, _ = self.settings.credentials()
        return Transport(
            client_id,
            Hosts.of(self.settings.intuit_env, self.settings.intuit_base_url),
            self.clock,
            max_connections=connections,
            timeouts=(CONNECT_SECONDS, min(silence_seconds, READ_SECONDS)),
        )

    def company_status(self, realm_id: RealmId) -> CompanyStatus | None:
        """The status of a company; None if it was never connected."""
        from ledgerguard_pipeline.health.company_status import read_statuses

        return next(iter(read_statuses(self.control, self.settings, realms=[realm_id])), None)

    def bronze_noticed(self, wrong: BronzeUnusable | None) -> None:
        """Let every company's health say so; whoever asked for Bronze gets the error anyway."""
        try:
            self.control.bronze_trouble.found(None if wrong is None else wrong.message)
        except LedgerGuardError as error:
            _log.warning("bronze_trouble_not_recorded", message=error.message)

    def _recorder(self, realm_id: RealmId) -> Recorder:
        from ledgerguard_pipeline.ingestion.recorder import InstallationRecorder

        return InstallationRecorder(self._kept(realm_id))

    def _kept(self, realm_id: RealmId) -> Kept:
        from ledgerguard_pipeline.ingestion.recorder import Kept

        return Kept(
            self.control.companies,
            self.control.sync_states,
            self.control.budget,
            self.bronze,
            realm_id,
            copy=self.settings.ledgerguard_snapshot,
        )

    def _client(
        self,
        realm_id: RealmId,
        tokens: TokenSource,
        *,
        gate: CallGate | None = None,
        policy: RetryPolicy | None = None,
        transport: Transport | None = None,
    ) -> QBOClient:
        client_id, client_secret = self.settings.credentials()
        return QBOClient(
            client_id,
            client_secret,
            self.settings.intuit_redirect_uri,
            self.settings.intuit_env,
            base_url=self.settings.intuit_base_url,
            tokens=tokens,
            gate=gate or self.control.guard,
            ledger=self.control.guard,
            memory=self.control.capabilities,
            realm_id=realm_id,
            clock=self.clock,
            max_connections=self.settings.ledgerguard_max_concurrent_requests,
            policy=policy,
            transport=transport,
            custom_fields=self.settings.ledgerguard_custom_fields,
        )
