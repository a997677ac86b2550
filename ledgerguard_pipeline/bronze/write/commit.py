"""Writing: any number of loads in one transaction, all or nothing.

Rows, loads, watermarks, walk steps, quarantine and field sights of one call stand or fall
together. After an error DuckDB would let ``COMMIT`` succeed and write nothing; so every error
leads to ``ROLLBACK`` and is raised again, and after every commit the ``_loads`` rows are read
back, or a lake's snapshot that names the commit, before anybody learns that the data is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import duckdb

from ledgerguard_pipeline.bronze import lake_catalog, statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.write.arrow_rows import Chosen, arrow_slices, key_table
from ledgerguard_pipeline.bronze.write.deduplicate import decide
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.bronze.write.load_part import LOAD_COLUMNS, LoadPart, nothing_of
from ledgerguard_pipeline.bronze.write.quarantine import Quarantine
from ledgerguard_pipeline.bronze.write.schema_drift import Field, describe, new_fields
from ledgerguard_pipeline.bronze.write.transaction import Transaction
from ledgerguard_pipeline.bronze.write.version_order import Version, microseconds, stored_version
from ledgerguard_pipeline.bronze.write.versions import newest_payloads, note_restatements
from ledgerguard_pipeline.bronze.write.walk_steps import WalkSteps
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.members import always_there

_TICK = timedelta(microseconds=1)
# DuckDB looks for a table of symbols (FSST) in every column of text that a checkpoint writes, and
# Silver has 1,700 columns: 0.7 of the 1.0 s that closing the file takes after a small company's
# first load. It saves a seventh of Bronze where there are many rows, and nothing where few.
_MANY_RECORDS = 5_000
_FEW_RECORDS = 1_000
"""A commit of so many to a lake reads first: writing its files takes less than repeating its COMMIT."""
_QUICK_CHECKPOINT = "SET disabled_compression_methods = 'fsst'"
_WATERMARK_COLUMNS = ("realm_id", "entity", "watermark", "load_id", "loaded_at")
_FIELD_COLUMNS = (
    "realm_id",
    "entity",
    "path",
    "kind",
    "baseline",
    "load_id",
    "first_seen_at",
)


class Committer:
    """One transaction over an open, initialised Bronze store."""

    def __init__(self, session: OpenStore, present: set[str], now: datetime) -> None:
        self._session = session
        self._connection = session.connection
        self._present = present
        self._now = now
        self._name = uuid4().hex
        self._realms: set[str] = set()
        self._fields: dict[str, set[Field]] = {}
        """Fields by entity, of those that were read, with what this commit adds."""
        self._watermarks: dict[str, dict[str, datetime]] = {}
        self._records: list[tuple[object, ...]] = []
        self._expected: set[tuple[str, str, str, int]] = set()
        self._first: datetime | None = None
        self._waiting: dict[str, dict[str, int]] = {}
        """Records in quarantine by company and entity, of companies of which it is known."""
        self.outcomes: list[LoadOutcome] = []

    def commit(
        self, loads: Sequence[Load], before: Callable[[], None] | None = None
    ) -> list[LoadOutcome]:
        """Write all loads; ``before`` is done first, in the same transaction.

        Raises:
            BronzeError: DuckDB acknowledged the commit but the load records are not there.
        """
        connection = self._connection
        records = sum(len(load.records) for load in loads)
        if not self._session.lake and records < _MANY_RECORDS:
            connection.execute(_QUICK_CHECKPOINT)
        reads_first = before is None and records <= _FEW_RECORDS
        with Transaction(self._session, reads_first=reads_first) as transaction:
            if before is not None:
                before()
            self._first = first = self._next_instant()
            outcomes = self._write(transaction, loads, first)
            moved = self._save_watermarks(transaction, loads, first)
            transaction.later(
                partial(insert_rows, connection, "_loads", LOAD_COLUMNS, self._records)
            )
            self.outcomes = outcomes = self._with_quarantine(transaction, outcomes)
            if self._session.lake:
                latest = first + len(loads) * _TICK
                name = lake_catalog.name_commit(_summary(loads), self._name, latest)
                transaction.later(partial(connection.execute, name))
            transaction.write()
            crashpoint("before_bronze_commit")
            transaction.commit()
        self._verify(loads, first, moved)
        if self._session.fields is not None:
            self._session.fields.update(self._fields)
        crashpoint("after_bronze_commit")
        return outcomes

    def landed(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether this commit, whose answer was lost, counts after all."""
        return bool(self.outcomes) and bool(self._records) and self._found(connection)

    def _found(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether every load record is there; others may have committed in between."""
        found = connection.execute(statements.VERIFY_LOADS, [self._first]).fetchall()
        return self._expected <= set(found)

    def _next_instant(self) -> datetime:
        # Versions are ordered by loaded_at, so it rises even where the wall clock steps back.
        last = self._latest_named() or self._latest_noted()
        return self._now if last is None else max(self._now, last + _TICK)

    def _latest_named(self) -> datetime | None:
        """When the latest commit was, as a lake's snapshots tell."""
        rows = [] if self._session.ask is None else self._session.ask(lake_catalog.LATEST_COMMIT)
        return next((at for (at,) in rows if isinstance(at, datetime)), None)

    def _latest_noted(self) -> datetime | None:
        """When the latest commit was, as the load records tell."""
        row = self._connection.execute(statements.LATEST_COMMIT).fetchone()
        return None if row is None else row[0]

    def _write(
        self, transaction: Transaction, loads: Sequence[Load], first: datetime
    ) -> list[LoadOutcome]:
        """Write the rows of all loads, those of one entity type with the same few statements.

        Of two loads of one company's entity type the second is written when the first is there.
        """
        outcomes = [nothing_of(load) for load in loads]
        left = [position for position, load in enumerate(loads) if not load.quiet]
        self._realms = {str(loads[position].realm_id) for position in left}
        self._count_waiting({str(load.realm_id) for load in loads} - self._realms)
        while left:
            now: dict[tuple[str, str], int] = {}
            later: list[int] = []
            for position in left:
                key = (str(loads[position].realm_id), loads[position].entity.name)
                if key in now:
                    later.append(position)
                else:
                    now[key] = position
            parts = {
                position: LoadPart(loads[position], first + position * _TICK)
                for position in now.values()
            }
            self._write_parts(transaction, [*parts.values()])
            for position, part in parts.items():
                outcomes[position] = self._recorded(part)
            left = later
            if left:
                transaction.write()
        return outcomes

    def _write_parts(self, transaction: Transaction, parts: Sequence[LoadPart]) -> None:
        by_type: dict[str, list[LoadPart]] = {}
        for part in parts:
            by_type.setdefault(part.load.entity.name, []).append(part)
        walking = [part.load for part in parts if part.load.walk is not None]
        walks = WalkSteps(self._session, transaction, walking) if walking else None
        quarantine = Quarantine(self._session, transaction, [part.load for part in parts])
        for mine in by_type.values():
            self._append(transaction, mine)
            for part in mine:
                self._note(transaction, part, walks, quarantine)
        sights = self._first_sights(by_type)
        if walks is not None:
            walks.save()
        for part in parts:  # counted before this round wrote
            self._waiting.pop(str(part.load.realm_id), None)
        self._waiting |= quarantine.save()
        transaction.later(partial(insert_rows, self._connection, "_fields", _FIELD_COLUMNS, sights))

    def _append(self, transaction: Transaction, parts: Sequence[LoadPart]) -> None:
        """Put on top of what is stored what is newer, of loads of one entity type."""
        table = parts[0].load.entity.table
        is_new = self._ensure_table(transaction, parts[0].load)
        stored = {} if is_new or table in self._session.rowless else self._stored(table, parts)
        for part in parts:
            entity = part.load.entity
            part.stored = stored.get(str(part.load.realm_id), {})
            payloads = partial(newest_payloads, self._connection, part.load)
            part.chosen = decide(
                part.batch,
                part.stored,
                payloads,
                always_there(entity.name),
                by_changes=not entity.queried,
            )
        transaction.later(partial(self._insert, table, parts))

    def _insert(self, table: str, parts: Sequence[LoadPart]) -> None:
        chosen = (Chosen(one.load, one.chosen, microseconds(one.loaded_at)) for one in parts)
        for rows in arrow_slices(chosen):
            self._connection.register("incoming", rows)
            self._connection.execute(statements.append(table))
            self._connection.unregister("incoming")
            self._session.rowless.discard(table)

    def _note(
        self,
        transaction: Transaction,
        part: LoadPart,
        walks: WalkSteps | None,
        quarantine: Quarantine,
    ) -> None:
        load, batch, loaded_at = part.load, part.batch, part.loaded_at
        transaction.later(
            partial(note_restatements, self._connection, load, batch.restated, loaded_at)
        )
        walked_since = loaded_at if load.whole else None
        if walks is not None and load.walk is not None:
            # A quarantined object was met as well: it exists, though it could not be stored.
            met = [*batch.newest, *(one.id for one in batch.rejects if one.id is not None)]
            began_at = walks.add(load, load.walk, met, loaded_at)
            walked_since = began_at if load.walk.done else None
        quarantine.settle(load, batch, loaded_at, walked_since=walked_since)

    def _recorded(self, part: LoadPart) -> LoadOutcome:
        outcome = part.outcome()
        at = microseconds(part.loaded_at)
        self._expected.add((outcome.load_id, outcome.realm_id, outcome.entity, at))
        self._records.append(part.record(outcome))
        return outcome

    def _count_waiting(self, realms: set[str]) -> None:
        """Read how many records of these companies wait in quarantine."""
        if not realms:
            return
        self._waiting |= {realm: {} for realm in realms}
        asked = self._connection.execute(statements.COUNT_QUARANTINE_OF, [sorted(realms)])
        for realm, entity, count in asked.fetchall():
            self._waiting[str(realm)][str(entity)] = int(count)

    def _with_quarantine(
        self, transaction: Transaction, outcomes: Sequence[LoadOutcome]
    ) -> list[LoadOutcome]:
        """How many records of each entity wait in quarantine, read where writing did not tell."""
        unknown = {outcome.realm_id for outcome in outcomes} - self._waiting.keys()
        if unknown:  # some were resolved
            transaction.write()
            self._count_waiting(unknown)
        return [
            replace(outcome, waiting=self._waiting[outcome.realm_id].get(outcome.entity, 0))
            for outcome in outcomes
        ]

    def _ensure_table(self, transaction: Transaction, load: Load) -> bool:
        """Make the table of an entity type if it is missing, and say whether it was."""
        if load.entity.table in self._present:
            return False
        for statement in statements.create_entity(
            load.entity.name, load.entity.table, lake=self._session.lake
        ):
            transaction.later(partial(self._connection.execute, statement))
        self._present.add(load.entity.table)
        return True

    def _stored(self, table: str, parts: Sequence[LoadPart]) -> dict[str, dict[str, Version]]:
        """The newest stored versions of what the loads bring, by company and id."""
        ids = {str(part.load.realm_id): part.batch.newest.keys() for part in parts}
        realms = [realm for realm, mine in ids.items() if mine]
        found: dict[str, dict[str, Version]] = {}
        if not realms:
            return found
        self._connection.register("incoming", key_table(ids))
        try:
            rows = self._connection.execute(
                statements.newest_headers(table, len(realms)), realms
            ).fetchall()
        finally:
            self._connection.unregister("incoming")
        for realm, id, *header in rows:
            found.setdefault(str(realm), {})[str(id)] = stored_version(self._now, *header)
        return found

    def _first_sights(self, by_type: Mapping[str, Sequence[LoadPart]]) -> list[tuple[object, ...]]:
        """Rows for fields that were never seen; what is stored is read where one may be new."""
        sights: list[tuple[object, ...]] = []
        fields = self._session.fields
        entities = [
            entity
            for entity, mine in by_type.items()
            if any(
                payloads
                and (fields is None or new_fields(payloads, fields.get(entity, frozenset())))
                for payloads in map(_payloads, mine)
            )
        ]
        known = self._known_fields(entities) if entities else {}
        for entity in entities:
            for part in by_type[entity]:
                sights += self._note_fields(part, known.setdefault(entity, set()))
        self._fields |= known
        return sights

    def _known_fields(self, entities: Sequence[str]) -> dict[str, set[Field]]:
        known: dict[str, set[Field]] = {}
        rows = self._connection.execute(statements.READ_FIELDS, [entities]).fetchall()
        for entity, path, kind in rows:
            known.setdefault(str(entity), set()).add((str(path), str(kind)))
        return known

    def _note_fields(self, part: LoadPart, known: set[Field]) -> list[tuple[object, ...]]:
        """Rows for fields that are new; they are ``known`` to the next load."""
        load = part.load
        realm, entity = str(load.realm_id), load.entity.name
        fields = new_fields(_payloads(part), known)
        if not fields:
            return []
        self._read_watermarks(self._realms)
        # Until a first load is complete (its watermark is set) everything is new: no drift.
        baseline = entity not in self._watermarks[realm]
        if not baseline:
            part.fields = describe(fields, known)
        known.update(fields)
        return [
            (realm, entity, path, kind, baseline, str(load.load_id), part.loaded_at)
            for path, kind in fields
        ]

    def _save_watermarks(
        self, transaction: Transaction, loads: Sequence[Load], loaded_at: datetime
    ) -> int:
        """Move the watermarks of all loads at once, however many companies; how many moved."""
        moving = [load for load in loads if load.watermark is not None]
        # Of several rows in a lake the highest counts; those of idle companies mostly stay.
        if not self._session.lake or any(load.quiet for load in moving):
            self._read_watermarks({str(load.realm_id) for load in moving})
        moved: dict[tuple[str, str], tuple[datetime, str]] = {}
        for load in moving:
            realm, entity = str(load.realm_id), load.entity.name
            stored = self._watermarks.setdefault(realm, {})
            if load.watermark is not None and (
                entity not in stored or load.watermark > stored[entity]
            ):
                stored[entity] = load.watermark
                moved[realm, entity] = (load.watermark, str(load.load_id))
        if moved and not self._session.lake:
            realms, entities = zip(*moved, strict=True)
            keys = [list(realms), list(entities)]
            transaction.later(partial(self._connection.execute, statements.FORGET_WATERMARKS, keys))
        rows = [(*key, *mark, loaded_at) for key, mark in moved.items()]
        transaction.later(
            partial(insert_rows, self._connection, "_watermarks", _WATERMARK_COLUMNS, rows)
        )
        return len(moved)

    def _read_watermarks(self, realms: set[str]) -> None:
        unknown = sorted(realms - self._watermarks.keys())
        if unknown:
            self._watermarks |= {realm: {} for realm in unknown}
            rows = self._connection.execute(statements.READ_WATERMARKS_OF, [unknown]).fetchall()
            for realm, entity, watermark in rows:
                self._watermarks[str(realm)][str(entity)] = watermark

    def _verify(self, loads: Sequence[Load], first: datetime, moved: int) -> None:
        ask = self._session.ask
        if ask is not None and ask(lake_catalog.find_commit(self._name)):
            return  # The snapshot and all that the transaction wrote are one transaction there.
        complete = self._found(self._connection)
        if len(self._records) < len(loads):
            # Quiet loads leave no record; their watermarks prove that the commit is there.
            found = self._connection.execute(statements.COUNT_WATERMARKS, [first]).fetchone()
            complete = complete and found is not None and found[0] >= moved
        if not complete:
            raise BronzeError(
                "DuckDB acknowledged a commit whose load records are not there; nothing was "
                "kept. Check the disk, then run the sync again: it repeats the work."
            )


def _payloads(part: LoadPart) -> list[bytes]:
    return [record.payload for record, _ in part.chosen if record.payload is not None]


def _summary(loads: Sequence[Load]) -> str:
    """Without the companies: a lake keeps it when they are forgotten."""
    names = sorted({load.entity.name for load in loads})
    return f"loads of {', '.join(names)}"
