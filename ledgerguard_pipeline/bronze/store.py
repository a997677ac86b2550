"""The Bronze store: an append-only history of every object, in a DuckDB file or a DuckLake."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.choose import backend_at
from ledgerguard_pipeline.bronze.backends.duckdb_file import Noticed
from ledgerguard_pipeline.bronze.backends.kept_instance import Connect
from ledgerguard_pipeline.bronze.backends.sql_guard import ask
from ledgerguard_pipeline.bronze.follower import Follower, Nobody, Work, follow
from ledgerguard_pipeline.bronze.layout import enter, has_schema, prepare, reenter
from ledgerguard_pipeline.bronze.loads import (
    Answer,
    Load,
    LoadOutcome,
    LoadRecord,
    StoredVersion,
    Walk,
)
from ledgerguard_pipeline.bronze.maintenance import upkeep
from ledgerguard_pipeline.bronze.maintenance.copy_tables import Content
from ledgerguard_pipeline.bronze.maintenance.healing_step import HealingStep
from ledgerguard_pipeline.bronze.maintenance.migration import import_file
from ledgerguard_pipeline.bronze.maintenance.snapshot import write_snapshot
from ledgerguard_pipeline.bronze.read.company_counts import CompanyCounts
from ledgerguard_pipeline.bronze.read.counts import live_counts, live_ids
from ledgerguard_pipeline.bronze.read.frames import FrameQuery, build_frame
from ledgerguard_pipeline.bronze.read.load_log import loaded_companies
from ledgerguard_pipeline.bronze.reports import ReportStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.bronze.write.commit import Committer
from ledgerguard_pipeline.bronze.write.group_commit import GroupCommit
from ledgerguard_pipeline.bronze.write.versions import stored_versions
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.bronze_url import Address
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.errors import BadInputError, BronzeError
from ledgerguard_pipeline.late_imports import import_for_binding, import_for_rows
from ledgerguard_pipeline.values import Environment, RealmId

if TYPE_CHECKING:
    import pandas as pd

_MADE = "the tables made from Bronze"


class BronzeStore:
    """Reads and writes one Bronze store; safe to use from several threads and processes.

    A file is opened for each call and closed at once, waiting up to ``lock_wait_seconds`` for
    others and then raising ``BronzeBusy`` with the holder's process id; a lake repeats what met
    a conflict or a lost connection for as long, then raises ``BronzeBusy`` or
    ``BronzeUnavailable``. Every method raises ``WrongEnvironment`` for a store of the other
    Intuit environment and ``BronzeError`` for one it cannot use. Reading where nothing was ever
    written finds nothing. ``connect`` may supply a file's connections, see ``bronze/backends/duckdb_file.py``.
    """

    def __init__(
        self,
        address: Address,
        environment: Environment | None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        lock_wait_seconds: float = 60.0,
        connect: Connect | None = None,
        noticed: Noticed | None = None,
        follower: Follower | None = None,
    ) -> None:
        self.address = address
        self.environment = environment
        """Whose companies may be in it; None as long as nobody said (``storage.py``)."""
        self.admit: Callable[[str], object] = lambda _: None
        """Raises where what stands beside Bronze is to have nothing more of a company."""
        self._clock = clock
        self._checked = self._laid_out = False
        self._healed: set[str] = set()
        self._follower = follower or Nobody()
        self._commits = GroupCommit(self._write)
        self._backend = backend_at(address, connect, clock, lock_wait_seconds, noticed)
        self.company_counts = CompanyCounts(self._reading, self._backend.let_go)

    @property
    def name(self) -> str:
        """Where it is, for messages; never with a password."""
        return self._backend.name

    def exists(self) -> bool:
        """False before anything was ever written."""
        return self._backend.exists()

    def waiting_once(self) -> AbstractContextManager[None]:
        """Inside the block, which opens it often, whoever holds it is waited for in vain once."""
        return self._backend.waiting_once()

    def stamp(self) -> tuple[int, int] | None:
        """Differs after every commit; None where finding out is no cheaper than reading."""
        return self._backend.stamp()

    def coming(self) -> AbstractContextManager[None]:
        """Inside the block this thread is going to commit; others' small commits wait for it a moment."""
        return self._commits.coming()

    def commit(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        """Write all loads in one transaction and prove that they are there.

        A version is written only if its bytes differ from the newest stored one and it is not
        older (``bronze/write/version_order.py`` has the rules); repeating a load changes no version. On any
        error nothing of any load is kept. Threads may share a transaction; their errors stay apart.
        """
        self._backend.let_go()  # a thread that shares the transaction may be the one that writes it
        return self._commits.commit(loads) if loads else []

    def _write(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        attempts: list[Committer] = []

        def work(session: OpenStore) -> list[LoadOutcome]:
            present = self._prepare(session)
            for earlier in attempts:
                if earlier.landed(session.connection):
                    return earlier.outcomes
            attempts.append(Committer(session, present, self._clock.now()))
            outcomes = attempts[-1].commit(loads)
            if not session.lake:
                follow(self._follower, outcomes, lambda then: then(session, present))
            return outcomes

        if any(load.records for load in loads):
            import_for_rows()
        # A watermark alone can be moved beside another writer: the higher one counts.
        realms = sorted({str(load.realm_id) for load in loads if not load.quiet})
        outcomes = self._backend.write(realms, work)
        if self._backend.file is None:
            follow(self._follower, outcomes, self.beside)
        return outcomes

    def beside(self, work: Work, *realms: str) -> None:
        """Write tables made from Bronze, and keep writers of these companies out; repeated in a lake."""
        self._backend.write((_MADE, *realms), lambda each: work(each, self._prepare(each)))

    def catch_up(self, realms: Sequence[RealmId | str]) -> None:
        """Give the tables made from Bronze what a process that died left out of them.

        For many companies; a commit does it for its own. Never fails: the next one tries.
        """
        if self.exists():
            self._follower.follow(self.beside, {}, {str(realm) for realm in realms})

    def followed(self, realm: RealmId | str) -> bool:
        """Whether the tables made from Bronze have all that this process wrote of a company."""
        return self._follower.level(str(realm))

    def watermarks(self, realm: RealmId | str) -> dict[str, datetime]:
        """Watermarks by entity name."""
        with self._reading() as (connection, _):
            if connection is None:
                return {}
            rows = connection.execute(statements.READ_WATERMARKS, [str(realm)])
            return {str(entity): watermark for entity, watermark in rows.fetchall()}

    def watermarks_of(self, realms: Sequence[RealmId | str]) -> dict[str, dict[str, datetime]]:
        """Watermarks by company and entity name, in one read; companies without are in it."""
        found: dict[str, dict[str, datetime]] = {str(realm): {} for realm in realms}
        with self._reading() as (connection, _):
            if connection is not None and found:
                asked = connection.execute(statements.READ_WATERMARKS_OF, [list(found)])
                for realm, entity, watermark in asked.fetchall():
                    found[str(realm)][str(entity)] = watermark
        return found

    def counts(self, realm: RealmId | str | None = None) -> dict[str, int]:
        """Living objects by entity name, for one company or all; loaded entity types only."""
        with self._reading() as (connection, present):
            wanted = {one.table: one.name for one in ENTITIES if one.table in present}
            if connection is None or not wanted:
                return {}
            return live_counts(connection, wanted, None if realm is None else str(realm))

    def live_ids(
        self, realm: RealmId | str, entities: Sequence[EntityType]
    ) -> dict[str, frozenset[str]]:
        """Ids of the living objects by entity name, of several entity types in one read."""
        with self._reading(binds=False) as (connection, present):
            wanted = {one.table: one.name for one in entities if one.table in present}
            return {} if connection is None else live_ids(connection, wanted, str(realm))

    def count(self, entity: str, realm: RealmId | str | None = None) -> int:
        """Living objects of one entity type, ``Expense`` included."""
        base, derived = entity_type(entity), statements.derived_entity(entity)
        rows = statements.all_rows(
            base.table, ("id",), derived, realm=realm is not None, until=False
        )
        with self._reading() as (connection, present):
            if connection is None or base.table not in present:
                return 0
            values = {} if realm is None else {"realm": str(realm)}
            row = connection.execute(statements.count_rows(rows), values).fetchone()
            return int(row[0]) if row else 0

    def current(
        self, realm: RealmId | str, entity: EntityType | str, ids: Sequence[str]
    ) -> dict[str, StoredVersion]:
        """Newest versions, tombstones included, of those of ``ids`` that Bronze knows."""
        kind = _type_of(entity)
        return self.versions(realm, {kind: ids}).get(kind.name, {})

    def versions(
        self, realm: RealmId | str, wanted: Mapping[EntityType, Sequence[str]]
    ) -> dict[str, dict[str, StoredVersion]]:
        """As ``current``, for several entity types in one read; by entity name."""
        with self._reading() as (connection, present):
            if connection is None:
                return {}
            return {
                entity.name: stored_versions(connection, entity.table, str(realm), ids)
                for entity, ids in wanted.items()
                if ids and entity.table in present
            }

    def unseen(self, realm: RealmId | str, entity: EntityType | str, walk_id: str) -> list[str]:
        """Ids alive in Bronze that this walk did not meet.

        Ids that something else brought after the walk's first commit are left out: they were
        seen alive meanwhile.

        Raises:
            BronzeError: it is not the latest walk, or it did not track what it saw.
        """
        kind = _type_of(entity)
        with self._reading() as (connection, present):
            walk = None if connection is None else _read_walk(connection, str(realm), kind.name)
            if connection is None or walk is None or walk.walk_id != walk_id or not walk.track_seen:
                raise BronzeError(
                    f"Bronze does not know what walk {walk_id} saw; start a new full walk.",
                    realm_id=str(realm),
                    entity=kind.name,
                )
            if kind.table not in present:
                return []
            given = {"realm": str(realm), "entity": kind.name, "walk": walk_id}
            asked = statements.unseen(kind.table)
            rows = connection.execute(asked, given | {"began_at": walk.began_at}).fetchall()
            return [str(row[0]) for row in rows]

    def quarantined(self, realm: RealmId | str) -> dict[str, int]:
        """Unresolved quarantined records by entity name."""
        with self._reading() as (connection, _):
            if connection is None:
                return {}
            rows = connection.execute(statements.COUNT_QUARANTINE, [str(realm)]).fetchall()
            return {str(entity): int(count) for entity, count in rows}

    def last_loads(self, realm: RealmId | str) -> dict[str, LoadRecord]:
        """The latest load of each entity type, by entity name."""
        with self._reading() as (connection, _):
            if connection is None:
                return {}
            rows = connection.execute(statements.LAST_LOADS, {"realm": str(realm)}).fetchall()
        return {record.entity: record for record in map(LoadRecord.of_row, rows)}

    def frame(
        self,
        entity: str,
        realm_id: RealmId | str | None = None,
        as_of: datetime | None = None,
        *,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """The living objects of an entity type (``Expense`` too) with exact money.

        Columns: ``bronze.read.frames.HEADER``, then the payload's top-level fields. Every number is
        a ``Decimal`` made from its text, nested values are Python objects, missing is None.

        ``as_of`` answers what Bronze held at that moment: the newest versions committed at or
        before it. That stays reproducible; the time of the *edit* would not be, because
        versions that came and went between two syncs were never seen.
        ``limit`` keeps the most recently updated objects.

        Raises:
            BadInputError: unknown entity type, or ``as_of`` without UTC offset.
        """
        if as_of is not None and as_of.tzinfo is None:
            raise BadInputError("`as_of` needs a UTC offset, as in 2026-03-31T23:59:59+00:00.")
        asked = FrameQuery(entity, None if realm_id is None else str(realm_id), as_of, limit)
        with self._reading() as (connection, present):
            headers, payloads = asked.read(connection, present)
        return build_frame(headers, payloads, by_id=limit is None)

    def sql(self, statement: str, limit: int | None = None) -> Answer:
        """Run one reading statement; the search path is ``bronze``, files are out of reach.

        Raises:
            BadInputError: it is not one reading statement, is refused, or nothing was loaded yet.
            BronzeUnavailable: a server of the lake does not answer.
        """
        with self._reading(binds=False, strict=True) as (connection, _):
            if connection is None:
                raise BadInputError(
                    f"Nothing was loaded into {self.name} yet; run `ledgerguard sync` first."
                )
            return ask(connection, statement, limit, in_lake=self._backend.file is None)

    def healing(self, realm: RealmId | str) -> HealingStep:
        """What earlier releases left to be mended of a company; see ``bronze/maintenance/healing.py``."""
        return HealingStep(
            self._backend,
            self._reading,
            self._prepare,
            str(realm),
            self._clock,
            self._healed,
            self._follower,
        )

    @property
    def workspace(self) -> Workspace:
        """Room for tables beside Bronze, with its lock and transactions."""
        return Workspace(self._backend, self._reading, self._prepare, self._clock, self.admit)

    @property
    def reports(self) -> ReportStore:
        """Intuit's reports as they were sent; see ``bronze/reports.py``."""
        return ReportStore(self.workspace)

    def snapshot(self, path: Path, *, of_any_store: bool = False) -> Path:
        """Put a consistent copy at ``path``, replacing an older one in one step; see ``write_snapshot``.

        Raises:
            BadInputError: the target is no such copy or out of reach, or nothing was loaded yet.
        """
        given = self._backend, path, self._prepare, self._follower, self._clock
        return write_snapshot(*given, of_any_store=of_any_store)

    def maintain(self, *, take_over: bool = False) -> upkeep.MaintenanceReport:
        """Merge small files, expire old snapshots and delete what no snapshot needs.

        A DuckDB file is checkpointed. Safe at any time; see ``bronze/maintenance/upkeep.py``.

        Raises:
            BadInputError: nothing was loaded yet, or the files are maintained for another lake.
        """
        if not self._backend.exists():
            raise BadInputError(
                f"Nothing was loaded into {self.name} yet; run `ledgerguard sync` first."
            )
        return upkeep.maintain(self._backend, self._prepare, self._clock.now(), take_over=take_over)

    def rewrite_files(self, tables: Collection[str] = ()) -> None:
        """Leave no deleted rows in the newest files of a lake; see ``bronze/maintenance/upkeep.py``."""
        upkeep.rewrite_files(self._backend, self._prepare, tables)

    def import_file(self, file: Path) -> dict[str, Content]:
        """Copy a Bronze file into this lake, all or nothing, and make anew what is made from Bronze."""
        found = import_file(self._backend, file, self.environment, self._clock, self._follower)
        self._follower.follow(self.beside, {}, set(loaded_companies(self)))
        return found

    @contextlib.contextmanager
    def _reading(
        self, *, binds: bool = True, strict: bool = False
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection | None, set[str]]]:
        if not self._backend.exists():
            yield None, set()
            return
        if binds and self._backend.file is not None:
            import_for_binding()
        with self._backend.reading(strict=strict) as session:
            if self._checked and session.lake:
                yield session.connection, reenter(self._backend, session)
            elif has_schema(session):
                present = enter(self._backend, session, self.environment)
                self._checked = True
                yield session.connection, present
            else:
                yield None, set()

    def _prepare(self, session: OpenStore) -> set[str]:
        if self._laid_out and session.lake:
            return reenter(self._backend, session)
        present = prepare(self._backend, session, self.environment, self._clock.now())
        self._checked = self._laid_out = True
        return present


def _type_of(entity: EntityType | str) -> EntityType:
    return entity if isinstance(entity, EntityType) else entity_type(entity)


def _read_walk(connection: duckdb.DuckDBPyConnection, realm: str, entity: str) -> Walk | None:
    row = connection.execute(statements.READ_WALK, [realm, entity]).fetchone()
    return None if row is None else Walk.of_row(row)
