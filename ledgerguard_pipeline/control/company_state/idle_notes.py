"""That companies are up to date though nothing changed, noted for many in one transaction.

A sweep finds most of its companies so. Each would cost two transactions, which together take
longer than reading its answer. A process that dies takes a second's notes along: as with sync
states, the next sync makes up for it. A failure that was noted meanwhile by whoever synced the
company after the sweep stays.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, bindparam, delete, exists, or_, select, update

from ledgerguard_pipeline.control.company_state.companies import NO_ERROR, ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import NO_FAILURE
from ledgerguard_pipeline.control.storage.call_slots import failing, recent_slots
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import call_slots, companies
from ledgerguard_pipeline.control.storage.schema import sync_marks as states
from ledgerguard_pipeline.errors import ControlError
from ledgerguard_pipeline.values import Environment, RealmId

TOGETHER = 50
"""Companies noted together at most."""
SECONDS = 1.0
"""How long a note may wait for others."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Idle:
    """A company of which these entity types are up to date; a call took so long on average.

    ``recovered`` says that nothing failed meanwhile, not even a call that was repeated.
    """

    realm_id: RealmId
    entities: frozenset[str]
    response_time_ms: float
    recovered: bool = False


class IdleNotes:
    """Notes of one environment. Thread-safe; whoever makes it flushes it at the end."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment.value
        self._lock = threading.Lock()
        self._waiting: dict[RealmId, tuple[Idle, datetime]] = {}

    def add(self, idle: Idle) -> None:
        """Note a company with those that follow."""
        now = self._database.time()
        with self._lock:
            self._waiting[idle.realm_id] = idle, now
            full = len(self._waiting) >= TOGETHER
        if full:
            self.flush()

    def beat(self) -> None:
        """As ``flush``, for whoever calls it now and then."""
        self.flush()

    def flush(self) -> None:
        """Write what waits; failures are logged, and the next sync notes it anew."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            with self._database.write(f"idle:{self._environment}", durable=False) as connection:
                self._up_to_date(connection, waiting)
                now = self._database.now(connection)
                self._answering(connection, waiting, now)
        except ControlError as error:
            _log.warning("sync_states_not_written", realms=[*waiting][:10], reason=error.message)

    def _up_to_date(
        self, connection: Connection, waiting: Mapping[RealmId, tuple[Idle, datetime]]
    ) -> None:
        alike: dict[frozenset[str], list[RealmId]] = {}
        for realm, (idle, _) in waiting.items():
            alike.setdefault(idle.entities, []).append(realm)
        for entities, realms in alike.items():
            statement = (
                update(states)
                .where(
                    states.c.environment == self._environment,
                    states.c.realm_id == bindparam("b_realm"),
                    states.c.entity.in_(sorted(entities)),
                    or_(states.c.failed_at.is_(None), states.c.failed_at <= bindparam("b_at")),
                )
                .values(last_sync_at=bindparam("b_at"), **NO_FAILURE)
            )
            for realm in sorted(realms):
                at = waiting[realm][1]
                changed = connection.execute(statement, {"b_realm": realm, "b_at": at})
                if changed.rowcount < len(entities):  # what is new has no row yet
                    key = {"environment": self._environment, "realm_id": realm}
                    rows = [key | {"entity": name, "last_sync_at": at} for name in sorted(entities)]
                    connection.execute(self._database.insert_new(states), rows)

    def _answering(
        self,
        connection: Connection,
        waiting: Mapping[RealmId, tuple[Idle, datetime]],
        now: datetime,
    ) -> None:
        failed_since = exists().where(
            states.c.environment == self._environment,
            states.c.realm_id == bindparam("b_realm"),
            states.c.failed_at > bindparam("b_at"),
        )
        connection.execute(
            update(companies)
            .where(
                companies.c.environment == self._environment,
                companies.c.realm_id == bindparam("b_realm"),
                # One that was disconnected or refused meanwhile keeps its reason.
                companies.c.status == ConnectionStatus.CONNECTED.value,
                ~failed_since,
            )
            .values(last_success_at=now, response_time_ms=bindparam("b_took"), **NO_ERROR),
            [
                {"b_realm": realm, "b_at": at, "b_took": idle.response_time_ms}
                for realm, (idle, at) in waiting.items()
            ],
        )
        recovered = [realm for realm, (idle, _) in waiting.items() if idle.recovered]
        recent = (
            call_slots.c.environment == self._environment,
            call_slots.c.slot.in_(recent_slots(now)),
            call_slots.c.realm_id.in_(recovered),
            failing(),
        )
        if connection.execute(select(call_slots.c.slot).where(*recent).limit(1)).first():
            connection.execute(delete(call_slots).where(*recent))
