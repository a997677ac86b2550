"""A copy of Bronze and Silver for one reader, made anew whenever the store has changed."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.errors import LedgerGuardError

PAUSE_SECONDS = 2.0
"""Between two looks at the store: a cell of a notebook that reads ten tables copies once."""

LAKE_SECONDS = 60.0
"""Between two copies of a lake, of which one cannot cheaply see whether it changed."""

_log = structlog.get_logger(__name__)


class OwnCopy:
    """The copy at ``path``. Its time is that of the store it was made of, so any process sees its age."""

    def __init__(self, store: BronzeStore, path: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._path = path
        self._clock = clock
        self._looked_at: float | None = None

    def renew(self) -> None:
        """Copy if the store has changed; where it is busy the older copy stays.

        Raises:
            LedgerGuardError: there is no older copy, and none can be made.
        """
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < PAUSE_SECONDS:
            return
        self._looked_at = now
        if not self._store.exists() or self._is_level():
            return
        try:
            make_private(self._path.parent)
            # From before the copy: what is committed meanwhile makes another one the next time.
            stamp = self._store.stamp()
            self._store.snapshot(self._path, of_any_store=True)  # the home's own, begun anew or not
            if stamp is not None:
                os.utime(self._path, ns=(stamp[0], stamp[0]))
        except (LedgerGuardError, OSError) as error:
            if not self._path.exists():
                raise
            _log.warning("copy_not_renewed", path=str(self._path), reason=str(error))

    def _is_level(self) -> bool:
        try:
            made = self._path.stat().st_mtime_ns
        except OSError:
            return False
        stamp = self._store.stamp()
        if stamp is None:
            return self._clock.now().timestamp() - made / 1e9 < LAKE_SECONDS
        return stamp[0] == made
