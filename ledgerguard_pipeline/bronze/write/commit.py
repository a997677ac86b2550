"""Writing: any number of loads in one transaction, all or nothing.

Rows, loads, watermarks, walk steps, quarantine and field sights of one call stand or fall
together. After an error DuckDB would let ``COMMIT`` succeed and write nothing; so every error
leads to ``ROLLBACK`` and is raised again, and after every commit the ``_loads`` rows are read
back before anybody learns that the data is safe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome, WalkStep
from ledgerguard_pipeline.bronze.write import quarantine
from ledgerguard_pipeline.bronze.write.deduplicate import (
    Batch,
    arrow_slices,
    collapse,
    decide,
    id_table,
    watermark_table,
)
from ledgerguard_pipeline.bronze.write.differences import Difference
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.bronze.write.schema_drift import describe, new_fields
from ledgerguard_pipeline.bronze.write.version_order import Version, microseconds, stored_version
from ledgerguard_pipeline.bronze.write.versions import newest_payloads, note_restatements
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.members import always_there
from ledgerguard_pipeline.values import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
# DuckDB looks for a table of symbols (FSST) in every column of text that a checkpoint writes, and
# Silver has 1,700 columns: 0.7 of the 1.0 s that closing the file takes after a small company's
# first load. It saves a seventh of Bronze where there are many rows, and nothing where few.
_MANY_RECORDS = 5_000
_QUICK_CHECKPOINT = "SET disabled_compression_methods = 'fsst'"
_LOAD_COLUMNS = (
    "load_id",
    "realm_id",
    "entity",
    "mode",
    "run_id",
    "final",
    "fetched",
    "written",
    "deleted",
    "unchanged",
    "stale",
    "quarantined",
    "api_calls",
    "fetched_bytes",
    "watermark",
    "started_at",
    "loaded_at",
)
_FIELD_COLUMNS = (
    "realm_id",
    "entity",
    "path",
    "kind",
    "baseline",
    "load_id",
    "first_seen_at",
)
_WALK_COLUMNS = (
    "realm_id",
    "entity",
    "walk_id",
    "started_at",
    "cursor",
    "rows",
    "done",
    "track_seen",
    "began_at",
    "saved_at",
    "load_id",
)


def _growth(chosen: Sequence[tuple[Record, Version]], stored: Mapping[str, Version]) -> int:
    """By how many living objects an entity grows once the chosen versions are on top."""
    grown = 0
    for record, version in chosen:
        held = stored.get(record.id)
        was_alive = held is not None and not held.gone
        grown += (not version.gone) - was_alive
    return grown


def _updates(
    chosen: Sequence[tuple[Record, Version]], stored: Mapping[str, Version], batch: Batch
) -> int:
    """How many objects that were held alive changed; another name alone is no change."""
    return sum(
        not version.gone
        and (held := stored.get(record.id)) is not None
        and not held.gone
        and batch.restated.get(record.id) is not Difference.RENAMED
        for record, version in chosen
    )


class Committer:
    """One transaction over an open, initialised Bronze store."""

    def __init__(self, session: OpenStore, present: set[str], now: datetime) -> None:
        self._session = session
        self._connection = session.connection
        self._present = present
        self._now = now
        self._watermarks: dict[str, dict[str, datetime]] = {}
        self._records: list[tuple[object, ...]] = []
        self._expected: set[tuple[str, str, str, int]] = set()
        self._first: datetime | None = None
        self.outcomes: list[LoadOutcome] = []

    def commit(
        self, loads: Sequence[Load], before: Callable[[], None] | None = None
    ) -> list[LoadOutcome]:
        """Write all loads; ``before`` is done first, in the same transaction.

        Raises:
            BronzeError: DuckDB acknowledged the commit but the load records are not there.
        """
        connection = self._connection
        if not self._session.lake and sum(len(load.records) for load in loads) < _MANY_RECORDS:
            connection.execute(_QUICK_CHECKPOINT)
        connection.execute("BEGIN TRANSACTION")
        try:
            if before is not None:
                before()
            self._first = first = self._next_instant()
            outcomes = [
                _nothing(load) if load.quiet else self._write(load, first + position * _TICK)
                for position, load in enumerate(loads)
            ]
            moved = self._save_watermarks(loads, first)
            insert_rows(connection, "_loads", _LOAD_COLUMNS, self._records)
            self.outcomes = outcomes = self._with_quarantine(outcomes)
            crashpoint("before_bronze_commit")
            with self._session.committing():
                connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            raise
        self._verify(loads, first, moved)
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
        row = self._connection.execute(statements.LATEST_COMMIT).fetchone()
        last = None if row is None else row[0]
        return self._now if last is None else max(self._now, last + _TICK)

    def _write(self, load: Load, loaded_at: datetime) -> LoadOutcome:
        realm, entity = str(load.realm_id), load.entity.name
        self._ensure_table(load)
        batch = collapse(load) if load.records or load.rejects else Batch()
        stored = self._stored(load, list(batch.newest)) if batch.newest else {}
        payloads = partial(newest_payloads, self._connection, load)
        chosen = decide(batch, stored, payloads, always_there(entity))
        if chosen:
            for rows in arrow_slices(load, chosen, microseconds(loaded_at)):
                self._connection.register("incoming", rows)
                self._connection.execute(statements.append(load.entity.table))
                self._connection.unregister("incoming")
        note_restatements(self._connection, load, batch.restated, loaded_at)
        fields = self._note_fields(load, chosen, loaded_at)
        swept_since = None
        if load.walk is not None:
            began_at = self._save_walk(load, load.walk, batch, loaded_at)
            swept_since = began_at if load.walk.done else None
        quarantine.settle(self._connection, load, batch, loaded_at, swept_since=swept_since)
        deleted = sum(1 for _, version in chosen if version.gone)
        outcome = LoadOutcome(
            load_id=str(load.load_id),
            realm_id=realm,
            entity=entity,
            fetched=len(load.records) + len(load.rejects),
            written=len(chosen) - deleted,
            deleted=deleted,
            unchanged=batch.unchanged,
            stale=batch.stale,
            quarantined=len(batch.rejects),
            new_fields=fields,
            living=_growth(chosen, stored),
            updated=_updates(chosen, stored, batch),
            renamed=sum(why is Difference.RENAMED for why in batch.restated.values()),
        )
        self._expected.add((outcome.load_id, realm, entity, microseconds(loaded_at)))
        self._records.append(
            (
                outcome.load_id,
                realm,
                entity,
                load.mode.value,
                None if load.run_id is None else str(load.run_id),
                load.final,
                outcome.fetched,
                outcome.written,
                outcome.deleted,
                outcome.unchanged,
                outcome.stale,
                outcome.quarantined,
                load.api_calls,
                load.fetched_bytes,
                load.watermark,
                load.started_at,
                loaded_at,
            )
        )
        return outcome

    def _with_quarantine(self, outcomes: Sequence[LoadOutcome]) -> list[LoadOutcome]:
        """How many records of each entity wait in quarantine, in one read for all of them."""
        realms = sorted({outcome.realm_id for outcome in outcomes})
        rows = self._connection.execute(statements.COUNT_QUARANTINE_OF, [realms]).fetchall()
        waiting = {(str(realm), str(entity)): int(count) for realm, entity, count in rows}
        return [
            replace(outcome, waiting=waiting.get((outcome.realm_id, outcome.entity), 0))
            for outcome in outcomes
        ]

    def _ensure_table(self, load: Load) -> None:
        if load.entity.table not in self._present:
            for statement in statements.create_entity(
                load.entity.name, load.entity.table, lake=self._session.lake
            ):
                self._connection.execute(statement)
            self._present.add(load.entity.table)

    def _stored(self, load: Load, ids: list[str]) -> dict[str, Version]:
        self._connection.register("incoming", id_table(ids))
        try:
            rows = self._connection.execute(
                statements.newest_headers(load.entity.table), {"realm": str(load.realm_id)}
            ).fetchall()
        finally:
            self._connection.unregister("incoming")
        return {str(id): stored_version(self._now, *header) for id, *header in rows}

    def _note_fields(
        self, load: Load, chosen: Sequence[tuple[Record, Version]], loaded_at: datetime
    ) -> tuple[str, ...]:
        payloads = [record.payload for record, _ in chosen if record.payload is not None]
        if not payloads:
            return ()
        realm, entity = str(load.realm_id), load.entity.name
        known = {
            (str(path), str(kind))
            for path, kind in self._connection.execute(statements.READ_FIELDS, [entity]).fetchall()
        }
        fields = new_fields(payloads, known)
        # Until a first load is complete (its watermark is set) everything is new: no drift.
        baseline = entity not in self._stored_watermarks(realm)
        insert_rows(
            self._connection,
            "_fields",
            _FIELD_COLUMNS,
            [
                (realm, entity, path, kind, baseline, str(load.load_id), loaded_at)
                for path, kind in fields
            ],
        )
        return () if baseline else describe(fields, known)

    def _save_walk(self, load: Load, step: WalkStep, batch: Batch, loaded_at: datetime) -> datetime:
        realm, entity = str(load.realm_id), load.entity.name
        stored = self._connection.execute(statements.READ_WALK, [realm, entity]).fetchone()
        same = stored is not None and stored[0] == step.walk_id
        began_at: datetime = stored[6] if stored is not None and same else loaded_at
        if stored is not None and not same:
            self._connection.execute(statements.FORGET_SEEN, [realm, entity, step.walk_id])
        if not self._session.lake:
            self._connection.execute(statements.FORGET_WALK, [realm, entity])
        insert_rows(
            self._connection,
            "_walks",
            _WALK_COLUMNS,
            [
                (
                    realm,
                    entity,
                    step.walk_id,
                    step.started_at,
                    step.cursor,
                    step.rows,
                    step.done,
                    step.track_seen,
                    began_at,
                    loaded_at,
                    str(load.load_id),
                )
            ],
        )
        # A quarantined object was met as well: it exists, though it could not be stored.
        met = [*batch.newest, *(reject.id for reject in batch.rejects if reject.id is not None)]
        if step.track_seen and met:
            self._connection.register("incoming", id_table(met))
            self._connection.execute(
                statements.REMEMBER_SEEN, {"realm": realm, "entity": entity, "walk": step.walk_id}
            )
            self._connection.unregister("incoming")
        return began_at

    def _stored_watermarks(self, realm: str) -> dict[str, datetime]:
        self._read_watermarks({realm})
        return self._watermarks[realm]

    def _save_watermarks(self, loads: Sequence[Load], loaded_at: datetime) -> int:
        """Move the watermarks of all loads at once, however many companies; how many moved."""
        moving = [load for load in loads if load.watermark is not None]
        self._read_watermarks({str(load.realm_id) for load in moving})
        moved: dict[tuple[str, str], tuple[datetime, str]] = {}
        for load in moving:
            realm, entity = str(load.realm_id), load.entity.name
            stored = self._watermarks[realm]
            if load.watermark is not None and (
                entity not in stored or load.watermark > stored[entity]
            ):
                stored[entity] = load.watermark
                moved[realm, entity] = (load.watermark, str(load.load_id))
        if moved:
            self._connection.register("incoming", watermark_table(moved, loaded_at))
            try:
                if not self._session.lake:
                    self._connection.execute(statements.FORGET_WATERMARKS)
                self._connection.execute(statements.SAVE_WATERMARKS)
            finally:
                self._connection.unregister("incoming")
        return len(moved)

    def _read_watermarks(self, realms: set[str]) -> None:
        unknown = sorted(realms - self._watermarks.keys())
        if unknown:
            self._watermarks |= {realm: {} for realm in unknown}
            rows = self._connection.execute(statements.READ_WATERMARKS_OF, [unknown]).fetchall()
            for realm, entity, watermark in rows:
                self._watermarks[str(realm)][str(entity)] = watermark

    def _verify(self, loads: Sequence[Load], first: datetime, moved: int) -> None:
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


def _nothing(load: Load) -> LoadOutcome:
    return LoadOutcome(
        load_id=str(load.load_id),
        realm_id=str(load.realm_id),
        entity=load.entity.name,
        fetched=0,
        written=0,
        deleted=0,
        unchanged=0,
        stale=0,
        quarantined=0,
    )
