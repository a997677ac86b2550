"""Taking a company out of an installation, with its rows and attached files where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.company_state.forgetting import forget_company
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.backends.base import OpenStore
    from ledgerguard_pipeline.bronze.store import BronzeStore


class Forgetting:
    """Forgets one company. It can be repeated until nothing is left."""

    def __init__(
        self,
        settings: Settings,
        control: ControlPlane,
        bronze: Callable[[], BronzeStore],
        clock: Clock,
        realm: RealmId,
        *,
        kept: Path | None,
        own: Path,
    ) -> None:
        """Readers may have two copies of Bronze: ``kept`` by LEDGERGUARD_SNAPSHOT, and the home's ``own``."""
        self._settings = settings
        self._control = control
        self._bronze = bronze
        self._clock = clock
        self._realm = realm
        self._kept, self._own = kept, own

    def run(self, *, rows: bool, files: bool, wait: float) -> None:
        """Delete what is asked for, then forget the company.

        Raises:
            BadInputError: it was never connected and has nothing here, or is connected still.
            CompanyBusy: a sync of it did not end within ``wait`` seconds.
            IngestionError: its attached files cannot be deleted, or a copy for readers keeps its rows.
        """
        from ledgerguard_pipeline.ingestion.company_sync.lease import undisturbed

        leases, environment = self._control.leases, self._control.environment
        self._refuse_connected(known=not (rows or files))
        with undisturbed(leases, environment, self._realm, self._clock, wait):
            # Somebody may have connected it meanwhile.
            known = self._refuse_connected(known=not (rows or files))
            had_files = files and self._delete_files()
            had_rows = rows and self._delete_rows(copies=True, again=known)
            if not (known or had_files or had_rows):
                self._control.companies.require(self._realm)
            # That may take minutes, and nobody is to lose a grant that was given meanwhile.
            self._refuse_connected(known=False)
            self._control.tokens.forget(self._realm)
            forget_company(self._control.database, environment, self._realm)
            if rows and self._control.companies.get(self._realm) is None:
                # Whatever was let in before. From now on nothing is.
                self._delete_rows(copies=False, again=False)

    def _refuse_connected(self, *, known: bool) -> bool:
        """Whether the company is known; where it has to be, it is refused otherwise."""
        companies = self._control.companies
        company = companies.require(self._realm) if known else companies.get(self._realm)
        if company is None:
            companies.refuse_other_environment(self._realm, self._control.environment)
        elif company.status is ConnectionStatus.CONNECTED:
            raise BadInputError("Disconnect this company first.", realm_id=self._realm)
        return company is not None

    def _delete_files(self) -> bool:
        from ledgerguard_pipeline.ingestion.attachments.folder import open_folder

        folder = open_folder(self._settings)
        found = bool(folder.held(self._realm))
        folder.delete(self._realm)
        return found

    def _delete_rows(self, *, copies: bool, again: bool) -> bool:
        """Whether there were any; with ``copies`` those for readers are made anew in any case.

        Files of a lake that held them are written anew, all that may be where an earlier attempt may
        have deleted the rows ``again``.
        """
        from ledgerguard_pipeline.bronze.maintenance.forgetting import delete_company
        from ledgerguard_pipeline.ingestion.renewed_copy import replace_copies

        bronze = self._bronze()
        if not bronze.exists():
            return False
        tables: list[str] = []

        def work(session: OpenStore, _: object) -> None:
            tables.extend(delete_company(session, self._realm))

        bronze.beside(work, self._realm)
        if tables or again:
            bronze.rewrite_files(tables)
        if copies or tables:
            replace_copies(bronze, self._realm, kept=self._kept, own=self._own)
        return bool(tables)
