"""A copy of Bronze and Silver at one stable path, for readers that keep a file open.

It is renewed after each sync that changed something. A note beside it says that it is out of date, so that a
copy that could not be made (the disk was full, the store was held) is made by the next sync.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import structlog

from ledgerguard_pipeline.bronze.maintenance.copy_target import has_rows_of, look_at
from ledgerguard_pipeline.bronze.read.origin import Origin, read_origin
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.errors import (
    BadInputError,
    BronzeError,
    IngestionError,
    LedgerGuardError,
)
from ledgerguard_pipeline.values import RealmId

_log = structlog.get_logger(__name__)
_WAIT_SECONDS = 0.5
"""Readers wait no longer for somebody who holds the store, to learn which one it is."""
_one_at_a_time = threading.Lock()
"""Copies of one process share a draft; what one company's sync left out, the next one's has."""


class RenewedCopy:
    """The copy at ``path``; failures are logged and never fail a sync."""

    def __init__(self, storage: BronzeStore, path: Path) -> None:
        self._storage = storage
        self._path = path
        self._note = path.with_name(f".{path.name}.outdated")
        self._begun = path.with_name(f".{path.name}.copying")
        self._origin: Origin | None = None

    def outdated(self) -> None:
        """Note that Bronze has something that the copy lacks."""
        try:
            self._note.touch()
        except OSError as error:
            _log.warning("copy_not_renewed", path=str(self._path), reason=error.strerror)

    def renew(self) -> None:
        """Put a new copy there in one step, if it is needed; readers keep the one they opened."""
        if not self.needed or not self._storage.exists():
            return
        with _one_at_a_time:
            try:
                # Before the copy: a commit during it makes a new note. Under another name it lasts
                # until the copy is there, whatever ends this process.
                with suppress(FileNotFoundError):
                    self._note.replace(self._begun)
                self._storage.snapshot(self._path)
                self._begun.unlink(missing_ok=True)
            except (LedgerGuardError, OSError) as error:
                self.outdated()
                with suppress(OSError):  # where nothing can be written, there is none
                    self._begun.unlink()
                _log.warning("copy_not_renewed", path=str(self._path), reason=str(error))

    def replace(self, realm: RealmId, *, own: bool = False) -> None:
        """Put a new copy there now, as rows of a company were deleted; the home's ``own`` in any case.

        The copy of another store stays, if it has nothing of the company.

        Raises:
            IngestionError: it cannot be made, or is another one's; what is there has such rows still.
        """
        self.outdated()
        with _one_at_a_time:
            try:
                if not own and self._is_free_of(realm):
                    _log.warning("copy_of_another_store", path=str(self._path), realm_id=realm)
                    return
                self._storage.snapshot(self._path, of_any_store=own)
                for each in (self._note, self._begun):
                    each.unlink(missing_ok=True)
            except (LedgerGuardError, OSError) as error:
                raise IngestionError(
                    f"The rows are deleted in Bronze, but the copy {self._path} cannot be made anew and "
                    f"still has them ({error}). Mend that or delete the copy, then run this again."
                ) from error

    def _is_free_of(self, realm: RealmId) -> bool:
        """Whether it is another store's and has no row of the company."""
        target = look_at(self._path, SYSTEM_CLOCK)
        if target is None or target.origin in (None, _origin_of(self._storage)):
            return False
        return not has_rows_of(self._path, realm, SYSTEM_CLOCK)

    def accept(self, found: Origin | None) -> None:
        """Let nobody read the copy of another store for this one's.

        Where the store cannot be asked now, because it is held or damaged or this user may not read it,
        its copy is read all the same, if it is of the same environment at least.

        Raises:
            BadInputError: it is another one's.
        """
        storage = self._storage
        if self._origin is None:
            with suppress(BronzeError, OSError):
                self._origin = _origin_of(
                    BronzeStore(storage.address, None, lock_wait_seconds=_WAIT_SECONDS)
                )
        other = found != self._origin
        if self._origin is None:
            other = (
                found is not None
                and storage.environment is not None
                and found.environment != str(storage.environment)
            )
        if other:
            raise BadInputError(
                f"{self._path} is no copy of {storage.name}, but of another store ({found}). Set "
                "LEDGERGUARD_SNAPSHOT to another file, or delete that one if nobody needs it any more."
            )

    @property
    def needed(self) -> bool:
        """Whether there is no copy, or an older one."""
        return self._note.exists() or self._begun.exists() or not self._path.exists()


def _origin_of(storage: BronzeStore) -> Origin | None:
    with storage.workspace.read(binds=False) as view:
        return None if view is None else read_origin(view.connection, view.catalog)


def replace_copies(
    storage: BronzeStore, realm: RealmId, *, kept: Path | None, own: Path | None
) -> None:
    """Let neither the copy of LEDGERGUARD_SNAPSHOT nor the home's own keep rows that were deleted.

    Raises:
        IngestionError: one does.
    """
    if kept is not None and kept.exists():
        RenewedCopy(storage, kept).replace(realm)
    if own is not None and own.exists():
        RenewedCopy(storage, own).replace(realm, own=True)
