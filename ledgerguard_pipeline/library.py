"""An installation for notebooks and services: the companies it knows, their books and their sync.

The command line, Dagster and this class work on the same home by the same code and rules, side
by side: one refresh of a token serves all, and a company is synced by one of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ledgerguard_pipeline.bronze.loads import Answer
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.database_file import exists
from ledgerguard_pipeline.errors import (
    BadInputError,
    ConfigurationError,
    IngestionError,
    LedgerGuardError,
)
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.ingestion.service_results import BatchResult, StatusReport
from ledgerguard_pipeline.installation import NOTEBOOK_COPY, Installation
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.result import Result, iso
from ledgerguard_pipeline.running_up import running_sandbox, sandbox_settings
from ledgerguard_pipeline.silver.relations import relation
from ledgerguard_pipeline.storage import Layer, LayeredStore
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from ledgerguard_pipeline.bronze.read.snapshot_reader import Relation, SnapshotReader

LEASE_WAIT_SECONDS = 120.0
"""How long a sync waits for another run of the same company."""

COPY_WAIT_SECONDS = 5.0
"""How long a loader that holds the file is waited for; then an older copy is read."""


class CompanySummary(Result):
    """One company of an installation; the entry of ``ledgerguard companies --json``."""

    __slots__ = ()

    realm_id: str
    name: str
    environment: str
    status: str
    """``connected``, ``needs_reauth`` or ``disconnected``."""
    is_connected: bool
    connected_at: str
    last_success_at: str | None
    last_error: str | None

    @classmethod
    def of(cls, company: Company) -> CompanySummary:
        """As plain JSON data."""
        return cls(
            realm_id=company.realm_id,
            name=company.name,
            environment=company.environment.value,
            status=company.status.value,
            is_connected=company.status is ConnectionStatus.CONNECTED,
            connected_at=str(iso(company.connected_at)),
            last_success_at=iso(company.last_success_at),
            last_error=company.last_error,
        )


class LedgerGuard(Closing):
    """An opened installation. A context manager; nothing is created or called by opening it."""

    def __init__(self, installation: Installation) -> None:
        """``LedgerGuard.open()`` is the usual way.

        Raises:
            BadInputError: it is no installation.
        """
        given: object = installation
        if not isinstance(given, Installation):
            raise BadInputError("Open an installation with LedgerGuard.open(home=...).")
        self._installation = installation

    @classmethod
    def open(cls, home: str | Path | None = None, **settings: Any) -> Self:
        """Open the installation in ``home``, or the one of the environment and ``.env``.

        ``settings`` replace single settings by their names in lower case, as in
        ``intuit_env="production"``. Another home than the configured one has a copy of its own:
        ``LEDGERGUARD_SNAPSHOT`` is that one's. Where nothing at all is configured and ``ledgerguard up`` runs
        its sandbox in this folder, that is the installation, as it is for commands.

        Raises:
            BadInputError: there is no setting of that name.
            ConfigurationError: a setting is not usable.
        """
        unknown = sorted(settings.keys() - Settings.model_fields.keys())
        if unknown:
            raise BadInputError(
                f"There is no setting {unknown[0]!r}. Names are those of .env.example in lower "
                "case, such as intuit_env; the folder is `home`."
            )
        if home is not None:
            if not isinstance(home, str | Path):
                raise BadInputError(f"home is the path of a folder, not {type(home).__name__}.")
            settings["ledgerguard_home"] = Path(home)
        found = load_settings(**settings)
        if home is not None and "ledgerguard_snapshot" not in settings and _is_another(found):
            found = load_settings(**settings, ledgerguard_snapshot=None)
        beside = None if settings else running_sandbox(found)
        if beside is not None:
            found = sandbox_settings(beside[1])
        return cls(Installation.open(found))

    def __repr__(self) -> str:
        settings = self._installation.settings
        return f"<LedgerGuard {settings.ledgerguard_home} ({settings.intuit_env.value})>"

    def close(self) -> None:
        """Close connections, copies and the control plane."""
        if "_copy" in self.__dict__:
            self._copy.close()
        self._installation.close()

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return self._installation.settings

    @property
    def companies(self) -> list[CompanySummary]:
        """Every company ever connected, by name; empty where none was."""
        return [CompanySummary.of(company) for company in self._companies()]

    @property
    def storage(self) -> LayeredStore:
        """Bronze and Silver: ``frame``, ``sql``, ``counts``, ``snapshot`` and more, opened per use only."""
        return self._installation.bronze

    def client(self, realm_id: str | None = None) -> QBOClient:
        """The client of a connected company, with the installation's tokens and budgets.

        Raises:
            BadInputError: no such company is connected, or there are several and none is named.
            ReauthorizationRequired: its grant is dead; somebody has to connect it again.
            ConfigurationError: the app's credentials are not set.
        """
        return self._installation.client(self._realm(realm_id))

    def service(self, realm_id: str | None = None) -> IngestionService:
        """The ingestion service of a connected company.

        Raises:
            BadInputError, ReauthorizationRequired, ConfigurationError: as ``client``.
        """
        return self._installation.service(self._realm(realm_id))

    def sync(
        self,
        realm_id: str | None = None,
        entity_types: Sequence[str] | str | None = None,
        since: datetime | str | None = None,
        *,
        force_full_sync: bool = False,
        wait_seconds: float = LEASE_WAIT_SECONDS,
    ) -> BatchResult:
        """Bring a company up to date, or every connected one, in this process.

        Another run of the same company is waited for, at most ``wait_seconds``. Without
        ``entity_types`` all kept ones are synced.

        Raises:
            BadInputError: no company is connected, or an argument is not usable.
            IngestionError: nothing could be done for any company (``CompanyBusy``: others
                worked on it all the time). Partial failures are in ``errors``.
            ReauthorizationRequired, ConfigurationError: as ``client``, for a company named.
        """
        kept = [each.name for each in self.settings.kept_entities]
        chosen = kept if entity_types is None else entity_types
        realms = self._connected() if realm_id is None else [self._realm(realm_id)]
        done: list[BatchResult] = []
        failures: list[LedgerGuardError] = []
        for realm in realms:
            try:
                with self._lease(realm, wait_seconds):
                    done.append(
                        self._installation.service(realm).run_batch_ingestion(
                            chosen, since, force_full_sync
                        )
                    )
            except BadInputError:
                raise
            except LedgerGuardError as error:
                if len(realms) == 1:
                    raise
                failures.append(error)
        if not done:
            raise IngestionError(
                f"None of the {len(realms)} companies could be synced. {failures[0].message}"
            ) from failures[0]
        return _together(done, failures)

    def status(self, realm_id: str | None = None) -> list[StatusReport]:
        """The status of every company, or of one, as in ``ledgerguard status --json``.

        No call is made and Bronze is not opened.

        Raises:
            BadInputError: the company was never connected.
        """
        realms = (
            [company.realm_id for company in self._companies()]
            if realm_id is None
            else [self._realm(realm_id)]
        )
        reports = []
        for realm in realms:
            company_status = self._installation.company_status(realm)
            if company_status is not None:
                reports.append(StatusReport.of(company_status.to_json(), company_status.watermarks))
        return reports

    def sql(self, statement: str, limit: int | None = None) -> Answer:
        """Run one reading statement over Bronze or Silver; ``.frame()`` of the answer is a DataFrame.

        Raises:
            BadInputError: it is not one reading statement, or nothing was loaded yet.
        """
        return self.storage.sql(statement, limit)

    def frame(
        self,
        entity_type: str,
        realm_id: str | None = None,
        as_of: datetime | None = None,
        *,
        limit: int | None = None,
        layer: Layer = "bronze",
    ) -> pd.DataFrame:
        """The living objects of an entity type, or a table of Silver, with exact money.

        Raises:
            BadInputError: unknown name, ``as_of`` without UTC offset, or ``as_of`` with Silver.
        """
        return self.storage.frame(entity_type, realm_id, as_of, limit=limit, layer=layer)

    def pandas(self, what: str) -> pd.DataFrame:
        """A table (``"invoice"``, ``"ar_open"``) or a query as a DataFrame, with exact decimals.

        It is read from a copy of Bronze and Silver that is renewed when syncs have changed
        something: neither waits for the other, however long a notebook works on it. So do
        ``polars`` and ``relation``. The copy is ``LEDGERGUARD_SNAPSHOT``, or one in the home.

        Raises:
            BadInputError: no such table, DuckDB refuses the query, or nothing was loaded yet.
        """
        return self._copy.pandas(_query(what))

    def polars(self, what: str) -> pl.DataFrame:
        """The same as a DataFrame of polars, which is not installed with this package.

        Raises:
            BadInputError: as ``pandas``, or polars is missing.
        """
        return self._copy.polars(_query(what))

    def relation(self, what: str) -> Relation:
        """The same as DuckDB's relation, to be filtered, joined and aggregated before it is read.

        It stays on the copy it was made of; ask again for newer rows.

        Raises:
            BadInputError: as ``pandas``.
        """
        return self._copy.relation(_query(what))

    @cached_property
    def _copy(self) -> SnapshotReader:
        """Reads a copy that syncs keep, where they were asked to, and else one of its own."""
        from ledgerguard_pipeline.bronze.open_store import open_bronze
        from ledgerguard_pipeline.bronze.read.snapshot_reader import SnapshotReader
        from ledgerguard_pipeline.ingestion.own_copy import OwnCopy
        from ledgerguard_pipeline.ingestion.renewed_copy import RenewedCopy
        from ledgerguard_pipeline.silver.follow import SilverFollower

        store = open_bronze(
            self.settings,
            clock=self._installation.clock,
            lock_wait_seconds=COPY_WAIT_SECONDS,
            follower=SilverFollower(self._installation.clock),
        )
        kept = self.settings.ledgerguard_snapshot
        if kept is not None:
            renewed = RenewedCopy(store, kept)
            return SnapshotReader(kept, renewed.renew, renewed.accept)
        path = self.settings.ledgerguard_home / NOTEBOOK_COPY
        return SnapshotReader(path, OwnCopy(store, path, clock=self._installation.clock).renew)

    def _companies(self) -> list[Company]:
        if not exists(self.settings):
            return []
        return self._installation.control.companies.list()

    def _connected(self) -> list[RealmId]:
        found = [
            company.realm_id
            for company in self._companies()
            if company.status is ConnectionStatus.CONNECTED
        ]
        if not found:
            raise BadInputError(
                f"No company is connected in {self.settings.ledgerguard_home}. Run `ledgerguard "
                "connect` first, or open another home."
            )
        return found

    def _realm(self, realm_id: str | None) -> RealmId:
        if realm_id is not None:
            realm = parse_realm(realm_id)
            if not exists(self.settings):
                raise BadInputError(
                    f"Company {realm} is not connected in {self.settings.ledgerguard_home}, where "
                    "nothing is yet. Run `ledgerguard connect` first, or open another home.",
                    realm_id=realm,
                )
            return self._installation.control.companies.require(realm).realm_id
        found = self._connected()
        if len(found) > 1:
            raise BadInputError(f"There are several companies: name one of {', '.join(found)}.")
        return found[0]

    @contextmanager
    def _lease(self, realm: RealmId, wait_seconds: float) -> Iterator[None]:
        control = self._installation.control
        leases = CompanyLeases(control.leases, self.settings.intuit_env, clock=control.clock)
        with leases.kept(), leases.of(realm, wait_seconds=wait_seconds):
            yield


def _is_another(opened: Settings) -> bool:
    """Whether the environment and ``.env`` mean another Bronze, which is there or named by its home."""
    try:
        configured = load_settings()
    except ConfigurationError:
        return False
    there, here = configured.bronze_address, opened.bronze_address
    if not isinstance(there, Path) or not isinstance(here, Path):
        return there != here
    named = "ledgerguard_home" in configured.model_fields_set
    return there.resolve() != here.resolve() and (named or there.exists())


def _query(what: str) -> str:
    """A statement, or the table that a single word names."""
    given: object = what
    if not isinstance(given, str) or not given.strip():
        raise BadInputError('Name a table, such as "invoice", or give a query.')
    if len(what.split()) > 1:
        return what
    found = relation(what)
    if found.kind == "macro":
        raise BadInputError(
            f"{found.full_name} takes arguments: SELECT * FROM {found.full_name}(...)."
        )
    return f"SELECT * FROM {found.full_name}"


def _together(done: Sequence[BatchResult], failures: Sequence[LedgerGuardError]) -> BatchResult:
    return BatchResult(
        total_entities_written=sum(each.total_entities_written for each in done),
        duration_seconds=round(sum(each.duration_seconds for each in done), 3),
        api_calls=sum(each.api_calls for each in done),
        metered_calls=sum(each.metered_calls for each in done),
        results=[entry for each in done for entry in each.results],
        errors=[
            *(str(error) for error in failures),
            *(text for each in done for text in each.errors),
        ],
    )
