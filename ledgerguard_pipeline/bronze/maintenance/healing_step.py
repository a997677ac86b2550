"""The healing of one company, as its sync takes it: look, mend, and note that it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.bronze.follower import Follower
from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.maintenance import healing_sql as sql
from ledgerguard_pipeline.bronze.maintenance.healing import (
    PARTIAL,
    STEP,
    Healed,
    Part,
    doubled_rows,
    heal_stored,
    partial_rows,
    record,
    set_aside,
)
from ledgerguard_pipeline.bronze.read.counts import WHOLE, count_doubled
from ledgerguard_pipeline.bronze.write.commit import Committer
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.members import without_signed_links

Reading = Callable[[], AbstractContextManager[tuple[duckdb.DuckDBPyConnection | None, set[str]]]]


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with one entity type of a company, and what was set aside so far.

    ``doubled`` rows show a version that another row shows, ``partial`` objects are held in part
    only, ``linked`` rows hold signed links.
    """

    entity: str
    doubled: int = 0
    partial: int = 0
    linked: int = 0
    set_aside: int = 0

    @property
    def sound(self) -> bool:
        """True where nothing is to be healed."""
        return not (self.doubled or self.partial or self.linked)


@dataclass(frozen=True, slots=True)
class Mended:
    """Whole rows of one entity type, and the partial ones they replace."""

    load: Load
    partial: Sequence[tuple[str, datetime]]


class HealingStep:
    """Every method opens the store for itself and raises what its reads and writes raise."""

    def __init__(
        self,
        backend: Backend,
        reading: Reading,
        prepare: Callable[[OpenStore], set[str]],
        realm: str,
        clock: Clock,
        known: set[str],
        follower: Follower,
    ) -> None:
        """``known`` are companies known to be healed; it is shared and added to."""
        self._known = known
        self._follower = follower
        self._backend = backend
        self._reading = reading
        self._prepare = prepare
        self._realm = realm
        self._clock = clock

    def done(self) -> bool:
        """Whether the company has taken the step, or has nothing that could be mended."""
        if self._is_known():
            return True
        with self._reading() as (connection, present):
            if connection is None:
                return True
            if "_healing" in present:
                rows = connection.execute(sql.HEALED, [STEP]).fetchall()
                self._known |= {str(row[0]) for row in rows}
            return self._is_known()

    def _is_known(self) -> bool:
        return self._realm in self._known or sql.EVERYBODY in self._known

    def stored(self) -> list[Healed]:
        """Mask links and set doubled rows aside: what needs no call. One transaction."""

        def work(session: OpenStore) -> list[Healed]:
            connection, present = session.connection, self._prepare(session)
            connection.execute("BEGIN TRANSACTION")
            try:
                done = heal_stored(connection, present, self._realm, self._clock.now())
                if done:
                    self._follower.forget(session, self._realm)
                crashpoint("before_healing_commit")
                with session.committing():
                    connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
            return done

        return self._backend.write([self._realm], work)

    def partial(self) -> Mapping[EntityType, Sequence[Part]]:
        """The rows that show only a part of their objects."""
        with self._reading() as (connection, present):
            return {} if connection is None else partial_rows(connection, present, self._realm)

    def quarantined(self) -> Mapping[EntityType, Sequence[str]]:
        """Ids of unresolved quarantined records, where one is known, by entity type."""
        with self._reading() as (connection, present):
            if connection is None or "_quarantine" not in present:
                return {}
            rows = connection.execute(sql.QUARANTINED_IDS, [self._realm]).fetchall()
        ids = {str(name): [str(id) for id in found] for name, found in rows}
        return {entity: ids[entity.name] for entity in ENTITIES if entity.name in ids}

    def flaws(self) -> list[Flaws]:
        """Every loaded entity type, in the order of the registry."""
        with self._reading() as (connection, present):
            if connection is None:
                return []
            partial = partial_rows(connection, present, self._realm)
            return [
                flaws_of(
                    connection,
                    entity,
                    self._realm,
                    partial=sum(part.newest and part.surely for part in partial.get(entity, ())),
                    upgraded="_healing" in present,
                )
                for entity in ENTITIES
                if entity.table in present
            ]

    def mend(self, mended: Sequence[Mended], *, complete: bool) -> list[LoadOutcome]:
        """Put whole rows where partial ones were, in one transaction.

        ``complete`` notes that the company has taken the step.
        """

        def work(session: OpenStore) -> list[LoadOutcome]:
            connection, present = session.connection, self._prepare(session)
            now = self._clock.now()

            def before() -> None:
                if mended:
                    self._follower.forget(session, self._realm)
                for each in mended:
                    set_aside(connection, each.load.entity, self._realm, each.partial, PARTIAL, now)
                done = [
                    Healed(each.load.entity.name, partial=len(each.partial))
                    for each in mended
                    if each.partial
                ]
                record(connection, self._realm, done, now, complete=complete)

            return Committer(session, present, now).commit([each.load for each in mended], before)

        return self._backend.write([self._realm], work)


def flaws_of(
    connection: duckdb.DuckDBPyConnection,
    entity: EntityType,
    realm: str,
    *,
    partial: int,
    upgraded: bool,
) -> Flaws:
    """What is wrong with one entity type; a store of an older layout has no notes to go by."""
    set_aside_rows = 0
    if upgraded:
        counted = connection.execute(
            count_doubled(entity.name, entity.table, [realm], WHOLE)
        ).fetchone()
        doubled = 0 if counted is None else int(counted[1])
        kept = connection.execute(sql.SET_ASIDE, [realm, entity.name]).fetchone()
        set_aside_rows = 0 if kept is None else int(kept[0])
    else:
        doubled = len(doubled_rows(connection, entity, realm, noted=False)[0])
    linked = sum(
        without_signed_links(payload.encode()) != payload.encode()
        for _, _, payload in connection.execute(sql.with_links(entity), [realm]).fetchall()
    )
    return Flaws(entity.name, doubled, partial, linked, set_aside_rows)
