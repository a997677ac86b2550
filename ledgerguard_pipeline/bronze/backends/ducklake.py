"""Bronze on DuckLake: catalog in PostgreSQL, data files in a folder or an object store.

Many hosts write at once. Writers of one company wait at a lock (``bronze/backends/writer_locks.py``); writers of
different companies commit side by side, because a commit only adds rows: DuckLake lets
insertions pass each other and refuses insertions beside deletions in one table. What little is
updated (the quarantine) and the first creation of a table can meet such a refusal; the whole
work is then done again from its first read, with jitter, until the wait limit is over.

A lost connection is handled alike. Where it broke during COMMIT nobody knows whether the commit
counts; the repeated work looks for its own load records first (``bronze/write/commit.py``).

Decision 39 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum

import duckdb
import psycopg

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore, Written, first_line
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances, login_of
from ledgerguard_pipeline.bronze.backends.writer_locks import (
    WriterLockTaken,
    connect,
    conninfo,
    writer_lock,
)
from ledgerguard_pipeline.bronze.lake_catalog import CATALOG, tables_in, through_duckdb
from ledgerguard_pipeline.clock import Backoff, Clock
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.errors import (
    BronzeBusy,
    BronzeError,
    BronzeUnavailable,
    ConfigurationError,
)
from ledgerguard_pipeline.postgres_answers import login_refused, passes, quotes_server

_RETRYING = Backoff(first=0.075, longest=3.0)
_LAYOUT = "the layout of the lake"
_REFUSED = ("authentication failed", "no pg_hba.conf entry", "does not exist", "permission denied")
"""In a server that speaks English; others are asked for their SQLSTATE."""
_CONFLICTS = ("conflict", "maximum retry count", "primary key", "unique", "concurrent")
_LOST = ("connect", "terminat", "starting up", "shutting down", "recovery", 'query "rollback"')


class _Cause(Enum):
    CONFLICT = "another writer committed first"
    LOST = "its database did not answer"
    REFUSED = "its database refuses the settings"


class DuckLake:
    """One lake; nothing is opened before the first use."""

    def __init__(self, address: LakeAddress, *, clock: Clock, wait_seconds: float) -> None:
        self.address = address
        self.name = str(address)
        self._clock = clock
        self._wait = wait_seconds
        self._there = False
        self._laid_out = False
        self._fields: dict[str, set[tuple[str, str]]] = {}
        """Noted in the lake, for as long as it is attached: none is ever taken back."""

    @property
    def file(self) -> None:
        """Its tables are many files, and many write at once."""

    def exists(self) -> bool:
        """False while the catalog's database holds no lake.

        Raises:
            ConfigurationError: the database refuses the settings.
            BronzeUnavailable: it did not answer within the wait limit.
        """
        return self._there or self._patiently(self._look, "reading")

    def stamp(self) -> None:
        """Nothing cheaper than a read tells."""

    @contextlib.contextmanager
    def reading(self, *, strict: bool = False) -> Iterator[OpenStore]:  # noqa: ARG002  # all are
        """One snapshot of the lake for the block."""
        connection = self._patiently(self._begin_reading, "reading")
        try:
            yield OpenStore(connection, CATALOG, lake=True)
        except duckdb.Error as error:
            cause = self._cause(error)
            if cause is _Cause.LOST:
                self._detach()
                raise self._unavailable(error, "reading") from error
            if cause is _Cause.REFUSED:
                raise self._refused(error) from error
            raise BronzeError(f"DuckDB failed reading {self.name}: {self._said(error)}.") from error
        finally:
            with contextlib.suppress(duckdb.Error):
                connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[OpenStore]:
        """For one's own tables beside Bronze's; conflicts are the caller's to repeat."""
        connection = self._patiently(self._begin_writing, "writing")
        try:
            yield OpenStore(connection, CATALOG, lake=True)
        except duckdb.Error as error:
            raise self._failed(error, "writing") from error
        finally:
            with contextlib.suppress(duckdb.Error):
                connection.close()

    def write(self, realms: Sequence[str], work: Callable[[OpenStore], Written]) -> Written:
        """Do the work, again and again if need be, until it is committed."""

        def attempt(left: float) -> Written:
            with writer_lock(self.address, self._names(realms), left) as mine:
                connection = instances.cursor(self.address, read_only=False)
                try:
                    return work(
                        OpenStore(
                            connection,
                            CATALOG,
                            lake=True,
                            committing=mine.committing,
                            ask=mine.ask,
                            fields=self._fields,
                        )
                    )
                finally:
                    with contextlib.suppress(duckdb.Error):
                        connection.close()

        done = self._patiently(attempt, "writing")
        self._there = self._laid_out = True
        return done

    def shared(self, *, read_only: bool = False) -> AbstractContextManager[None]:  # noqa: ARG002
        """A lake stays attached for the whole process, and many use it at once."""
        return nullcontext()

    def let_go(self) -> None:
        """Nobody is kept out."""

    def waiting_once(self) -> AbstractContextManager[None]:
        """Writers of a lake wait for their own companies only."""
        return nullcontext()

    def tables(self, session: OpenStore) -> set[str]:
        """The tables of schema ``bronze``; those that never had a row are noted."""
        query = tables_in(statements.SCHEMA)
        if session.ask is not None:
            found = session.ask(query)
        else:
            found = session.connection.execute(through_duckdb(query)).fetchall()
        session.rowless.clear()
        session.rowless.update(str(name) for name, written in found if not written)
        return {str(name) for name, _ in found}

    def _names(self, realms: Sequence[str]) -> list[str]:
        # Until the lake is known to be laid out, everybody waits for whoever does it.
        return [*realms] if self._laid_out else [*realms, _LAYOUT]

    def _look(self, _left: float) -> bool:
        with connect(self.address) as connection:
            row = connection.execute(
                "SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = 'ducklake_metadata' "
                "AND schemaname = ANY (current_schemas(false))"
            ).fetchone()
        self._there = row is not None
        return self._there

    def _begin_writing(self, _left: float) -> duckdb.DuckDBPyConnection:
        return instances.cursor(self.address, read_only=False)

    def _begin_reading(self, _left: float) -> duckdb.DuckDBPyConnection:
        connection = instances.cursor(self.address, read_only=True)
        try:
            connection.execute("BEGIN TRANSACTION")
            connection.execute(statements.FIND_SCHEMA).fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _detach(self) -> None:
        """What comes back may be an older copy."""
        instances.drop(self.address)
        self._fields.clear()

    def _patiently(self, attempt: Callable[[float], Written], doing: str) -> Written:
        waits = _RETRYING.within(self._wait, self._clock)
        while True:
            try:
                return attempt(max(waits.left, 0.001))
            except WriterLockTaken:
                raise self._busy() from None
            except (duckdb.Error, psycopg.Error) as error:
                cause = self._cause(error)
                if cause is _Cause.REFUSED:
                    raise self._refused(error) from error
                if cause is None:
                    raise self._failed(error, doing) from error
                if cause is _Cause.LOST:
                    self._detach()
                if waits.over:
                    if cause is _Cause.CONFLICT:
                        raise self._busy() from error
                    raise self._unavailable(error, doing) from error
            waits.wait()

    def _cause(self, error: duckdb.Error | psycopg.Error) -> _Cause | None:
        """Why it may succeed when it is done again; None where it would not."""
        if isinstance(error, psycopg.Error):
            return self._cause_by_state(error)
        text = self._plain(error).lower()
        if any(needle in text for needle in _REFUSED):
            return _Cause.REFUSED
        # DuckLake wraps what PostgreSQL said, in PostgreSQL's language; its own words are English.
        if any(needle in text for needle in _LOST):
            # Whether the server is away or does not let us in, it says itself.
            asked = self._asked() if quotes_server(str(error)) else None
            return _Cause.REFUSED if asked is _Cause.REFUSED else _Cause.LOST
        if any(needle in text for needle in _CONFLICTS):
            return _Cause.CONFLICT
        return self._asked() if quotes_server(str(error)) else None

    def _cause_by_state(self, error: psycopg.Error) -> _Cause | None:
        if login_refused(error, conninfo(self.address)):
            return _Cause.REFUSED
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return _Cause.LOST if lost or passes(error.sqlstate) else None

    def _asked(self) -> _Cause | None:
        """What the database says to a login of our own; None if it lets us in."""
        try:
            connect(self.address).close()
        except psycopg.Error as error:
            return self._cause_by_state(error)
        return None

    def _plain(self, error: Exception) -> str:
        """What went wrong, without all that DuckDB was given to log in with and repeats."""
        return str(error).replace(login_of(self.address), "its catalog")

    def _said(self, error: Exception) -> str:
        return first_line(Exception(self._plain(error)))

    def _busy(self) -> BronzeBusy:
        return BronzeBusy(
            f"Other writers kept {self.name} for {self._wait:g} s. Let them "
            "finish and run this again; nothing is lost."
        )

    def _unavailable(self, error: Exception, doing: str) -> BronzeUnavailable:
        # DuckDB says so of requests to an object store, whose address the sentence has.
        away = "object store" if self.address.on_s3 and " HTTP " in str(error) else "PostgreSQL"
        return BronzeUnavailable(
            f"{self.name} (LEDGERGUARD_BRONZE_URL) did not answer for {self._wait:g} s while "
            f"{doing}: {self._said(error)}. Nothing of this load was kept, so nothing is lost; "
            f"bring its {away} back and run this again."
        )

    def _refused(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self.name} cannot be used: {self._said(error)}. Correct LEDGERGUARD_BRONZE_URL."
        )

    def _failed(self, error: Exception, doing: str) -> BronzeError | ConfigurationError:
        text = self._said(error)
        if "DATA_PATH" in text:
            return self._refused(error)
        return BronzeError(
            f"DuckDB failed {doing} {self.name}: {text}. Nothing of this load was kept; check "
            "the data path, then run it again."
        )
