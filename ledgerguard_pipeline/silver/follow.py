"""Silver after Bronze: called after every commit of Bronze, by whichever way it came.

Bronze's rows are durable before Silver begins, and Silver's are one transaction with the instant
up to which they are applied. A process that dies in between leaves Silver behind; the next
commit of any process finds that by Bronze's own records of loads and makes up for it. Whatever
goes wrong here stays here: it is logged, Bronze's caller goes on, and the next commit tries again.
Decision 62 in docs/decisions.md.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import duckdb
import structlog

from ledgerguard_pipeline.bronze.backends.base import OpenStore, first_line
from ledgerguard_pipeline.bronze.follower import Run
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.silver.tables import behind, bring_books, copy_tables, forget
from ledgerguard_pipeline.silver.update import bring_up_to_date
from ledgerguard_pipeline.silver.views.keep import ViewKeeper, copy_views

_log = structlog.get_logger(__name__)


class SilverFollower:
    """Keeps Silver level with Bronze; one per store, safe to use from several threads."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._views = ViewKeeper()
        self._level: set[str] = set()
        """Companies that need no comparison: this process hears of everything new in them."""

    def follow(
        self, run: Run, written: Mapping[str, Collection[str]], realms: Collection[str]
    ) -> None:
        """Bring up to date what was ``written``; compare companies not met before as a whole.

        The comparison finds whatever an earlier process left behind.
        """
        with self._lock:
            unknown = {realm for realm in realms if realm not in self._level}
        if not written and not unknown:
            return

        def work(session: OpenStore, present: set[str]) -> None:
            due = {entity: set(found) for entity, found in written.items()}
            if unknown:
                for entity, found in behind(session, present, unknown).items():
                    due.setdefault(entity, set()).update(found)
            crashpoint("before_silver")
            bring_up_to_date(session, due, self._clock)
            self._views.keep(session, look=bool(unknown))

        try:
            run(work)
        except Exception as error:  # noqa: BLE001  # Bronze's rows are safe; the next commit tries again
            with self._lock:
                self._level.difference_update(realms)
            reason = first_line(error) if isinstance(error, duckdb.Error) else str(error)
            _log.warning("silver_is_behind", realms=sorted(realms)[:10], reason=reason)
        else:
            with self._lock:
                self._level.update(realms)

    def level(self, realm: str) -> bool:
        """Whether Silver has every row of a company that this process committed to Bronze."""
        with self._lock:
            return realm in self._level

    def forget(self, session: OpenStore, realm: str) -> None:
        """Versions of a company were changed in place: it is built anew at its next commit."""
        forget(session, realm)
        with self._lock:
            self._level.discard(realm)

    def copy(self, session: OpenStore, target: str) -> None:
        """Put a copy of Silver into another catalog, with Bronze's."""
        copy_tables(session, target)
        copy_views(session, target)

    def bring(self, session: OpenStore, source: str) -> None:
        """The journal and what is made from it: the rest is built of Bronze, these of Intuit's reports."""
        bring_books(session, source)
