"""The one statement that hands events out: built once, for it runs more often than any other.

Consumers on PostgreSQL skip the rows others are just claiming (SKIP LOCKED), so they never wait
for each other; on SQLite they wait for each other anyway. The time is the store's own, within the
statement.

Decision 31 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    Interval,
    RowMapping,
    String,
    Update,
    any_,
    bindparam,
    case,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.types import ARRAY

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import webhook_events as events
from ledgerguard_pipeline.control.storage.utc_time import UtcTime
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus, abandoned, ready

_MOST = cast(int, bindparam("most"))


class Claim:
    """Leases due events to an owner, oldest first, and parks those handed out too often."""

    def __init__(
        self, database: Database, mine: ColumnElement[bool], most_attempts: int, reason: str
    ) -> None:
        self._database = database
        self._servers_time = not database.is_sqlite and database.clock is SYSTEM_CLOCK
        self._statement = self._built(mine, most_attempts, reason)

    def take(
        self, owner: str, realms: Collection[str], limit: int, ttl_seconds: float
    ) -> Sequence[RowMapping]:
        """The rows that were leased or parked, as they are now.

        Raises:
            ControlUnavailable: nothing was handed out, or it comes back when its lease ends.
        """
        given: dict[str, object] = {"owner": owner, "most": limit}
        given["realms"] = list(realms) if self._database.is_sqlite else ",".join(realms)
        if self._servers_time:
            given["ttl"] = ttl_seconds
        else:
            given["now"] = self._database.clock.now()
            given["until"] = self._database.clock.now() + timedelta(seconds=ttl_seconds)
        return self._database.write_one(self._statement, given, durable=False)

    def _built(self, mine: ColumnElement[bool], most_attempts: int, reason: str) -> Update:
        now, until = self._times()
        # Two ways in, an index for each: neither walks over what others have leased.
        fresh, late = (
            select(events.c.seq)
            .where(mine, condition, self._of_realms())
            .order_by(events.c.seq)
            .limit(_MOST)
            .with_for_update(skip_locked=True)
            .cte(name)
            for name, condition in (("fresh", ready(now)), ("late", abandoned(now)))
        )
        both = union_all(select(fresh.c.seq), select(late.c.seq)).subquery()
        due = select(both.c.seq).order_by(both.c.seq).limit(_MOST).cte("due")
        worn = events.c.attempts >= most_attempts
        return (
            update(events)
            .where(events.c.seq == due.c.seq)
            .values(
                status=case((worn, EventStatus.PARKED.value), else_=EventStatus.LEASED.value),
                attempts=case((worn, events.c.attempts), else_=events.c.attempts + 1),
                lease_owner=case((worn, None), else_=bindparam("owner")),
                lease_expires_at=case((worn, None), else_=until),
                settled_at=case((worn, now), else_=events.c.settled_at),
                reason=case((worn, func.coalesce(events.c.reason, reason)), else_=events.c.reason),
            )
            .returning(events)
        )

    def _times(self) -> tuple[ColumnElement[datetime], ColumnElement[datetime]]:
        if not self._servers_time:
            return bindparam("now", type_=UtcTime()), bindparam("until", type_=UtcTime())
        now = func.statement_timestamp(type_=DateTime(timezone=True))
        ttl = bindparam("ttl", type_=Float) * literal(timedelta(seconds=1), type_=Interval)
        return now, now + ttl

    def _of_realms(self) -> ColumnElement[bool]:
        if self._database.is_sqlite:
            return events.c.realm_id.in_(bindparam("realms", expanding=True))
        # One short parameter whatever their number: the text of the statement stays the same.
        realms = func.string_to_array(bindparam("realms", type_=String), ",", type_=ARRAY(String))
        return events.c.realm_id == any_(realms)
