"""The limiter: Intuit's budgets, held by all processes of an installation together.

Every permitted call gets the next number of its company and a stamp of the store's clock, in
one transaction. Call ``n`` may start when call ``n - budget`` started at least one window ago:
an exact sliding window that reads one row per window however large the budget is. No client can
promise what arrives at Intuit (the network moves calls), so the budgets stay below Intuit's and
a 429 cools the whole company down.

Decision 8 in docs/decisions.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from ledgerguard_pipeline.control.leases.process_identity import has_died, this_process
from ledgerguard_pipeline.control.rate_limits.permits import (
    BATCH_BUDGET,
    COOL_DOWN_LIMIT_SECONDS,
    COOLING,
    MINUTE_BUDGET,
    PERMIT_SECONDS,
    SECOND_BUDGET,
    Budgets,
    Permit,
    Wait,
    WaitingLimiter,
    all_in_flight,
)
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.engines import Prepared
from ledgerguard_pipeline.control.storage.schema import limiter_permits as permits
from ledgerguard_pipeline.control.storage.schema import limiter_realms as realms
from ledgerguard_pipeline.control.storage.schema import limiter_stamps as stamps
from ledgerguard_pipeline.values import Environment, RealmId

__all__ = [
    "COOL_DOWN_LIMIT_SECONDS",
    "PERMIT_SECONDS",
    "Budgets",
    "CallLimiter",
    "Permit",
]

_CALLS, _BATCHES = 0, 1
_KEPT_STAMPS = 1_000
_PRUNED_AT_ONCE = 16

_STATE = Prepared(
    select(
        realms.c.last_at,
        realms.c.cool_until,
        realms.c.calls_head,
        realms.c.calls_low,
        realms.c.batches_head,
        realms.c.batches_low,
        select(func.count()).where(permits.c.scope == bindparam("scope")).scalar_subquery(),
    ).where(realms.c.scope == bindparam("scope"))
)

_STAMPS = Prepared(
    select(stamps.c.stream, stamps.c.seq, stamps.c.at).where(
        stamps.c.scope == bindparam("scope"),
        or_(
            and_(
                stamps.c.stream == _CALLS,
                stamps.c.seq.in_([bindparam("minute_seq"), bindparam("second_seq")]),
            ),
            and_(stamps.c.stream == _BATCHES, stamps.c.seq == bindparam("batch_seq")),
        ),
    )
)

_ADD_STAMP = Prepared(insert(stamps))
_ADD_PERMIT = Prepared(insert(permits))
_DROP_PERMIT = Prepared(
    delete(permits).where(
        permits.c.scope == bindparam("b_scope"), permits.c.permit_id == bindparam("b_permit")
    )
)
_PRUNE = delete(stamps).where(
    stamps.c.scope == bindparam("b_scope"),
    stamps.c.stream == bindparam("b_stream"),
    stamps.c.seq >= bindparam("b_low"),
    stamps.c.seq < bindparam("b_high"),
)
_SAVE = Prepared(update(realms).where(realms.c.scope == bindparam("b_scope")))


@dataclass(frozen=True, slots=True)
class _State:
    last_at: float
    cool_until: float
    calls_head: int
    calls_low: int
    batches_head: int
    batches_low: int
    in_flight: int


class CallLimiter(WaitingLimiter):
    """Hands out permits; safe to share by threads, and shared by processes through the store."""

    def __init__(self, database: Database, environment: Environment, budgets: Budgets) -> None:
        super().__init__(environment, budgets, database.clock)
        self._database = database

    def _give_back(self, scope: str, permit_id: str) -> None:
        with self._database.write(f"limiter:{scope}", durable=False) as connection:
            _DROP_PERMIT(connection, {"b_scope": scope, "b_permit": permit_id})

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for ``seconds``; never shortens a longer one."""
        scope = self._scope(realm)
        with self._database.write(f"limiter:{scope}", durable=False) as connection:
            now = self._now(connection)
            state = self._state(connection, scope, now)
            until = now + min(max(seconds, 0.0), COOL_DOWN_LIMIT_SECONDS)
            _SAVE(
                connection,
                {"b_scope": scope, "last_at": now, "cool_until": max(state.cool_until, until)},
            )

    def cooling_seconds(self, realm: RealmId) -> float:
        """How long the company's cool-down still lasts; zero if there is none."""
        statement = select(realms.c.cool_until).where(realms.c.scope == self._scope(realm))
        with self._database.read() as connection:
            until = connection.execute(statement).scalar_one_or_none()
            return max(0.0, (until or 0.0) - self._now(connection))

    def cooling(self, companies: Sequence[RealmId]) -> dict[RealmId, float]:
        """Those of the companies that are cooling down, with the seconds left; one statement."""
        scopes = {self._scope(realm): realm for realm in companies}
        with self._database.read() as connection:
            now = self._now(connection)
            found = connection.execute(
                select(realms.c.scope, realms.c.cool_until).where(realms.c.cool_until > now)
            )
            return {
                scopes[scope]: min(until - now, COOL_DOWN_LIMIT_SECONDS)
                for scope, until in found
                if scope in scopes
            }

    def _take(self, scope: str, *, batch: bool) -> str | Wait:
        """Take a permit and return its id, or say how long nothing can change."""
        with self._database.write(f"limiter:{scope}", durable=False) as connection:
            now = self._now(connection)
            state = self._state(connection, scope, now)
            wait = self._window_wait(connection, scope, state, now, batch=batch)
            if wait is None and state.in_flight >= self.budgets.concurrent:
                wait = self._free_lost_permits(connection, scope, now)
            if wait is not None:
                return wait
            return self._grant(connection, scope, state, now, batch=batch)

    def _window_wait(
        self, connection: Connection, scope: str, state: _State, now: float, *, batch: bool
    ) -> Wait | None:
        budgets = self.budgets
        minute_seq = state.calls_head + 1 - budgets.per_minute
        second_seq = state.calls_head + 1 - budgets.per_second
        batch_seq = state.batches_head + 1 - budgets.batches_per_minute
        found = {
            (stream, seq): at
            for stream, seq, at in _STAMPS(
                connection,
                {
                    "scope": scope,
                    "minute_seq": minute_seq,
                    "second_seq": second_seq,
                    "batch_seq": batch_seq,
                },
            )
        }
        waits = [
            Wait(state.cool_until - now, COOLING),
            Wait(
                found.get((_CALLS, minute_seq), 0.0) + budgets.minute_seconds - now,
                MINUTE_BUDGET,
            ),
            Wait(
                found.get((_CALLS, second_seq), 0.0) + budgets.second_seconds - now,
                SECOND_BUDGET,
            ),
        ]
        if batch:
            waits.append(
                Wait(
                    found.get((_BATCHES, batch_seq), 0.0) + budgets.minute_seconds - now,
                    BATCH_BUDGET,
                )
            )
        longest = max(waits, key=lambda wait: wait.seconds)
        return longest if longest.seconds > 0 else None

    def _grant(
        self, connection: Connection, scope: str, state: _State, now: float, *, batch: bool
    ) -> str:
        calls_head = state.calls_head + 1
        batches_head = state.batches_head + (1 if batch else 0)
        added = [{"scope": scope, "stream": _CALLS, "seq": calls_head, "at": now}]
        if batch:
            added.append({"scope": scope, "stream": _BATCHES, "seq": batches_head, "at": now})
        _ADD_STAMP.each(connection, added)
        permit_id = secrets.token_hex(8)
        _ADD_PERMIT(
            connection,
            {
                "scope": scope,
                "permit_id": permit_id,
                "holder": this_process(),
                "expires_at": now + PERMIT_SECONDS,
            },
        )
        _SAVE(
            connection,
            {
                "b_scope": scope,
                "last_at": now,
                "calls_head": calls_head,
                "batches_head": batches_head,
                "calls_low": self._prune(connection, scope, _CALLS, state.calls_low, calls_head),
                "batches_low": self._prune(
                    connection, scope, _BATCHES, state.batches_low, batches_head
                ),
            },
        )
        return permit_id

    def _prune(self, connection: Connection, scope: str, stream: int, low: int, head: int) -> int:
        """Forget stamps no budget looks at any more, a few at a time; returns the lowest kept."""
        widest = max(self.budgets.per_minute, self.budgets.per_second, _KEPT_STAMPS)
        high = min(head - widest + 1, low + _PRUNED_AT_ONCE)
        if high <= low:
            return low
        connection.execute(
            _PRUNE, {"b_scope": scope, "b_stream": stream, "b_low": low, "b_high": high}
        )
        return high

    def _free_lost_permits(self, connection: Connection, scope: str, now: float) -> Wait | None:
        """Drop permits that expired or whose process is dead; None if one became free."""
        held = connection.execute(
            select(permits.c.permit_id, permits.c.holder, permits.c.expires_at).where(
                permits.c.scope == scope
            )
        ).all()
        dead = {holder for holder in {row.holder for row in held} if has_died(holder)}
        lost = [row.permit_id for row in held if row.expires_at <= now or row.holder in dead]
        if lost:
            _DROP_PERMIT.each(
                connection, [{"b_scope": scope, "b_permit": permit_id} for permit_id in lost]
            )
        if len(held) - len(lost) < self.budgets.concurrent:
            return None
        return all_in_flight()

    def _state(self, connection: Connection, scope: str, now: float) -> _State:
        rows = _STATE(connection, {"scope": scope})
        if not rows:
            state = _State(now, 0.0, 0, 1, 0, 1, 0)
            connection.execute(
                insert(realms).values(
                    scope=scope,
                    last_at=now,
                    cool_until=0.0,
                    calls_head=0,
                    calls_low=1,
                    batches_head=0,
                    batches_low=1,
                )
            )
            return state
        state = _State(*rows[0])
        return state if now >= state.last_at else self._step_back(connection, scope, state, now)

    def _step_back(self, connection: Connection, scope: str, state: _State, now: float) -> _State:
        """The clock was set back: move what is on record with it.

        So nobody waits for the difference, and no window opens early.
        """
        shift = state.last_at - now
        connection.execute(
            update(stamps).where(stamps.c.scope == scope).values(at=stamps.c.at - shift)
        )
        connection.execute(
            update(permits)
            .where(permits.c.scope == scope)
            .values(expires_at=permits.c.expires_at - shift)
        )
        cool_until = state.cool_until - shift
        _SAVE(connection, {"b_scope": scope, "last_at": now, "cool_until": cool_until})
        return replace(state, last_at=now, cool_until=cool_until)

    def _now(self, connection: Connection) -> float:
        return self._database.now(connection).timestamp()
