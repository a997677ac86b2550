"""Sync states: how far each entity of each company is, so that nobody has to open Bronze to know.

Bronze is the truth. The sync states are a copy, written after each commit, that can be rebuilt from
Bronze at any time; a reader of them never waits for a loader. A process that dies between its
commit and its sync state leaves that one commit behind: the next sync sees that the watermarks
differ and rebuilds the company's sync states.

Decision 20 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, RowMapping, func, select

from ledgerguard_pipeline.control.company_state.count_gaps import CountGaps
from ledgerguard_pipeline.control.company_state.daily_history import add_rows
from ledgerguard_pipeline.control.company_state.doubted_types import Doubts
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import sync_marks as states
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import FailureKind
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.values import Environment, LoadId, Mode, RealmId

_ERROR_LIMIT = 1000
_COMPANY, _ENTITY = "company", "entity"
_KEY = ("environment", "realm_id", "entity")
_COMMITTED = (*_KEY, "committed_at", "rows", "quarantined", "mode", "load_id")
_FAILURE = ("error", "failed_at", "error_kind", "error_name", "error_scope")
_COMPLETE = (*_COMMITTED, "last_sync_at", "watermark", *_FAILURE)
_CURRENT = (*_KEY, "last_sync_at", *_FAILURE)
_FAILED = (*_KEY, *_FAILURE)
NO_FAILURE: dict[str, None] = dict.fromkeys(_FAILURE)
_REBUILT = (*_COMMITTED, "last_sync_at", "watermark")
_COUNTED = (*_KEY, "rows", "quarantined")
_PARTIAL = (*_KEY, "partial")


@dataclass(frozen=True, slots=True)
class SyncState:
    """How far one entity type of one company is.

    ``last_sync_at`` is when everything up to its ``watermark`` was in Bronze; ``committed_at``
    when anything was last written, be it a part of a walk or the objects of webhook events.
    ``error`` is why the last attempt to bring it up to date failed; None after one that did not.
    ``partial`` objects are held in part only: an earlier release stored what was sent of them.
    """

    entity: str
    last_sync_at: datetime | None = None
    watermark: datetime | None = None
    committed_at: datetime | None = None
    rows: int = 0
    quarantined: int = 0
    mode: Mode | None = None
    load_id: str | None = None
    error: str | None = None
    failed_at: datetime | None = None
    failure: Failure | None = None
    """``error`` with who has to act; None after an attempt that did not fail."""
    partial: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """One entity's part of a commit.

    ``live_delta`` is by how many living objects Bronze grew, ``quarantined`` how many unresolved
    records it now holds. ``watermark`` is set where the commit brought the entity up to date.
    """

    entity: str
    mode: Mode
    load_id: LoadId | str
    live_delta: int
    quarantined: int
    watermark: datetime | None = None
    changed: int = 0
    """Versions and tombstones that were written, for the history of the day."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What Bronze holds of one entity: living objects and unresolved rejects."""

    rows: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Several sync states of one company together: how many there are, how many of them were ever
    up to date and how many failed last, and when the first and the last was up to date.
    """

    states: int
    synced: int
    failed: int
    oldest: datetime | None
    newest: datetime | None
    quarantined: int
    partial: int


class SyncStates:
    """Sync states of the environment the plane was opened for.

    A power cut may lose the last ones; that is noticed like the death of a process.
    """

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = states.c.environment == environment.value
        self.doubts = Doubts(database, environment)

    @cached_property
    def gaps(self) -> CountGaps:
        """What Intuit's counts and Bronze differ by."""
        return CountGaps(self._database, self._environment)

    def committed(self, realm: RealmId, parts: Sequence[Committed]) -> None:
        """Note a commit; one transaction for all entities of it."""
        if not parts:
            return
        with self._database.write(self._lock(realm), durable=False) as connection:
            now = self._database.now(connection)
            complete, partial = [], []
            for part in sorted(parts, key=lambda each: each.entity):
                values = self._key(realm, part.entity) | {
                    "committed_at": now,
                    "rows": part.live_delta,
                    "quarantined": part.quarantined,
                    "mode": part.mode.value,
                    "load_id": str(part.load_id),
                }
                if part.watermark is None:
                    partial.append(values)
                else:
                    complete.append(
                        values | {"last_sync_at": now, "watermark": part.watermark} | NO_FAILURE
                    )
            self._save(connection, _COMPLETE, complete, add=("rows",))
            self._save(connection, _COMMITTED, partial, add=("rows",))
            changed = _by_group(parts)
            if changed:
                add_rows(self._database, connection, self._environment, realm, now, changed)

    def ended(
        self,
        realm: RealmId,
        *,
        failed: Mapping[str, Failure | str] | None = None,
        current: Collection[str] = (),
        counted: Mapping[str, Counted] | None = None,
    ) -> None:
        """Note how a sync ended, in one transaction.

        ``failed`` are the failures by entity, or their bare reasons, without secrets; ``current`` the entities that are up to
        date although nothing had to be written; ``counted`` what Bronze was found to hold.
        """
        if not (failed or current or counted):
            return
        with self._database.write(self._lock(realm), durable=False) as connection:
            now = self._database.now(connection)
            self._save(
                connection,
                _FAILED,
                [
                    self._key(realm, entity) | _failed(error, now)
                    for entity, error in sorted((failed or {}).items())
                ],
            )
            self._save(
                connection,
                _CURRENT,
                [
                    self._key(realm, entity) | {"last_sync_at": now} | NO_FAILURE
                    for entity in sorted(current)
                ],
            )
            self._save(
                connection,
                _COUNTED,
                [
                    self._key(realm, entity)
                    | {"rows": found.rows, "quarantined": found.quarantined}
                    for entity, found in sorted((counted or {}).items())
                ],
            )

    def partial(self, realm: RealmId, found: Mapping[str, int]) -> None:
        """How many objects Bronze holds in part only, by entity; of all others none."""
        known = {
            entity: state.partial
            for entity, state in self.read([realm]).get(realm, {}).items()
            if state.partial
        }
        if known == dict(found):
            return
        counts = dict.fromkeys(known, 0) | dict(found)
        with self._database.write(self._lock(realm), durable=False) as connection:
            self._save(
                connection,
                _PARTIAL,
                [
                    self._key(realm, entity) | {"partial": count}
                    for entity, count in sorted(counts.items())
                ],
            )

    def rebuilt(self, realm: RealmId, found: Sequence[SyncState]) -> None:
        """Replace what the sync states say of Bronze by what was read there; failures are kept."""
        with self._database.write(self._lock(realm), durable=False) as connection:
            self._save(
                connection,
                _REBUILT,
                [
                    self._key(realm, state.entity)
                    | {
                        "committed_at": state.committed_at,
                        "rows": state.rows,
                        "quarantined": state.quarantined,
                        "mode": None if state.mode is None else state.mode.value,
                        "load_id": state.load_id,
                        "last_sync_at": state.last_sync_at,
                        "watermark": state.watermark,
                    }
                    for state in sorted(found, key=lambda each: each.entity)
                ],
            )

    def watermarks(self, realm: RealmId) -> dict[str, datetime]:
        """The watermarks the sync states know of, by entity; Bronze's own are the truth."""
        statement = select(states.c.entity, states.c.watermark).where(
            self._mine, states.c.realm_id == realm, states.c.watermark.is_not(None)
        )
        with self._database.read() as connection:
            return {row.entity: row.watermark for row in connection.execute(statement)}

    def watermarks_of(self, realms: Sequence[RealmId]) -> dict[RealmId, dict[str, datetime]]:
        """As ``watermarks``, of several companies in one statement; all of them are in it."""
        statement = select(states.c.realm_id, states.c.entity, states.c.watermark).where(
            self._mine, states.c.realm_id.in_(realms), states.c.watermark.is_not(None)
        )
        found: dict[RealmId, dict[str, datetime]] = {realm: {} for realm in realms}
        with self._database.read() as connection:
            for realm, entity, watermark in connection.execute(statement):
                found[RealmId(realm)][entity] = watermark
        return found

    def read(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, dict[str, SyncState]]:
        """All sync states by company and entity, of some companies or of all, in one statement."""
        statement = select(states).where(self._mine)
        if realms is not None:
            statement = statement.where(states.c.realm_id.in_(realms))
        found: dict[RealmId, dict[str, SyncState]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement.order_by(states.c.entity)).mappings():
                found.setdefault(RealmId(row["realm_id"]), {})[row["entity"]] = _state(row)
        return found

    def extents(self, entities: Collection[str]) -> dict[RealmId, Extent]:
        """The sync states of these entities together, company by company, in one statement."""
        statement = (
            select(
                states.c.realm_id,
                func.count(),
                func.count(states.c.last_sync_at),
                func.count(states.c.error),
                func.min(states.c.last_sync_at),
                func.max(states.c.last_sync_at),
                func.sum(states.c.quarantined),
                func.sum(states.c.partial),
            )
            .where(self._mine, states.c.entity.in_(sorted(entities)))
            .group_by(states.c.realm_id)
        )
        with self._database.read() as connection:
            return {
                RealmId(row[0]): Extent(
                    row[1], row[2], row[3], row[4], row[5], int(row[6]), int(row[7])
                )
                for row in connection.execute(statement)
            }

    def _save(
        self,
        connection: Connection,
        columns: tuple[str, ...],
        rows: Sequence[Mapping[str, object]],
        *,
        add: tuple[str, ...] = (),
    ) -> None:
        if rows:
            connection.execute(self._database.upsert(states, columns, add=add), rows)

    def _key(self, realm: RealmId, entity: str) -> dict[str, object]:
        return {"environment": self._environment.value, "realm_id": realm, "entity": entity}

    def _lock(self, realm: RealmId) -> str:
        return f"marks:{self._environment.value}:{realm}"


def _by_group(parts: Sequence[Committed]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        if part.changed:
            group = entity_type(part.entity).group.value
            found[group] = found.get(group, 0) + part.changed
    return found


def _failed(error: Failure | str, now: datetime) -> dict[str, object]:
    failure = Failure(error) if isinstance(error, str) else error
    return {
        "error": failure.text[:_ERROR_LIMIT],
        "failed_at": now,
        "error_kind": failure.kind,
        "error_name": failure.name or None,
        "error_scope": _COMPANY if failure.company_wide else _ENTITY,
    }


def _failure(row: RowMapping) -> Failure | None:
    if row["error"] is None:
        return None
    kind = None if row["error_kind"] is None else FailureKind(row["error_kind"])
    return Failure(row["error"], kind, row["error_scope"] == _COMPANY, row["error_name"] or "")


def _state(row: RowMapping) -> SyncState:
    return SyncState(
        entity=row["entity"],
        last_sync_at=row["last_sync_at"],
        watermark=row["watermark"],
        committed_at=row["committed_at"],
        rows=row["rows"],
        quarantined=row["quarantined"],
        mode=None if row["mode"] is None else Mode(row["mode"]),
        load_id=row["load_id"],
        error=row["error"],
        failed_at=row["failed_at"],
        failure=_failure(row),
        partial=row["partial"],
    )
