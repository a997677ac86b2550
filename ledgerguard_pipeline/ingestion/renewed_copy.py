"""A copy of Bronze and Silver at one stable path, for readers that keep a file open.

It is renewed after each sync that changed something. A note beside it says that it is out of date, so that a
copy that could not be made (the disk was full, the store was held) is made by the next sync.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from ledgerguard_pipeline.bronze.read.origin import Origin, read_origin
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.errors import (
    BadInputError,
    BronzeBusy,
    BronzeUnavailable,
    IngestionError,
    LedgerGuardError,
)

_log = structlog.get_logger(__name__)
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

    def replace(self) -> None:
        """Put a new copy there now.

        Raises:
            IngestionError: it cannot be made; the older one is there still.
        """
        self.outdated()
        with _one_at_a_time:
            try:
                self._storage.snapshot(self._path)
                for each in (self._note, self._begun):
                    each.unlink(missing_ok=True)
            except (LedgerGuardError, OSError) as error:
                raise IngestionError(
                    f"The rows are deleted in Bronze, but the copy {self._path} cannot be made anew and "
                    f"still has them ({error}). Mend that or delete the copy, then run this again."
                ) from error

    def accept(self, found: Origin | None) -> None:
        """Let nobody read the copy of another store for this one's.

        Where the store cannot be asked now, its copy is read all the same.

        Raises:
            BadInputError: it is another one's.
        """
        if self._origin is None:
            with suppress(BronzeBusy, BronzeUnavailable):
                self._origin = _origin_of(self._storage)
        if self._origin is not None and found != self._origin:
            raise BadInputError(
                f"{self._path} is no copy of {self._storage.name}, but of another store ({found}). Set "
                "LEDGERGUARD_SNAPSHOT to another file, or delete that one if nobody needs it any more."
            )

    @property
    def needed(self) -> bool:
        """Whether there is no copy, or an older one."""
        return self._note.exists() or self._begun.exists() or not self._path.exists()


def _origin_of(storage: BronzeStore) -> Origin | None:
    with storage.workspace.read(binds=False) as view:
        return None if view is None else read_origin(view.connection, view.catalog)


def replace_copies(storage: BronzeStore, paths: Iterable[Path | None]) -> None:
    """Let no copy for readers keep rows that were deleted.

    Raises:
        IngestionError: one does.
    """
    for path in paths:
        if path is not None and path.exists():
            RenewedCopy(storage, path).replace()
