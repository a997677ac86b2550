"""The call ledger: what every call was for, so that the monthly budget can be explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, case, delete, func, select, tuple_

from ledgerguard_pipeline.control.company_state.daily_history import put_away_calls
from ledgerguard_pipeline.control.storage.call_slots import DAY_SLOTS, recent_slots, slot_of
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.engines import Prepared
from ledgerguard_pipeline.control.storage.schema import call_counts, call_slots
from ledgerguard_pipeline.values import Environment, RealmId, call_failed

_KEPT = ("environment", "realm_id", "status", "calls", "metered")
_KIND = ("month", "entity", "purpose")


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of one kind in one month; ``status`` is HTTP's, 0 where no answer came."""

    entity: str
    purpose: str
    status: int
    calls: int
    metered: int


@dataclass(frozen=True, slots=True)
class CallTotal:
    """All calls ever made of one kind; ``status`` as in ``CallCount``."""

    realm_id: RealmId
    entity: str
    status: int
    calls: int
    metered: int


@dataclass(frozen=True, slots=True)
class CallUsage:
    """What one company used: metered reads of this month and of the last 24 hours, and how its
    ``recent`` calls (of the last half to whole hour) went.

    ``failed`` got no answer, a server error or no access since the company was last well.
    """

    month_to_date: int = 0
    last_day: int = 0
    recent: int = 0
    failed: int = 0


def forecast(month_to_date: int, last_day: int, now: datetime) -> int:
    """Metered reads by the end of the month if every day left is like the last 24 hours."""
    left = (next_month(now) - now) / timedelta(days=1)
    return month_to_date + round(last_day * left)


def next_month(now: datetime) -> datetime:
    """The first instant of the next calendar month (UTC), when Intuit counts from zero again."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


class CallLedger:
    """Counts per company, entity, purpose, status and calendar month (UTC).

    Counts survive the death of a process; a power cut may lose the last ones.
    """

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._pruned_slot = 0
        add = ("calls", "metered")
        self._count = Prepared(database.upsert(call_counts, (*_KEPT, *_KIND), add=add))
        self._count_slot = Prepared(database.upsert(call_slots, (*_KEPT, "slot"), add=add))

    def record(
        self, realm: RealmId, *, entity: str, purpose: str, status: int, metered: int = 1
    ) -> None:
        """Count one HTTP call that Intuit meters as ``metered`` reads (a batch: its items)."""
        name = f"calls:{self._environment.value}:{realm}"
        with self._database.write(name, durable=False) as connection:
            now = self._database.now(connection)
            common: dict[str, object] = {
                "environment": self._environment.value,
                "realm_id": realm,
                "status": status,
                "calls": 1,
                "metered": metered,
            }
            kind = {
                "month": now.strftime("%Y-%m"),
                "entity": entity[:60],
                "purpose": purpose[:60],
            }
            slot = slot_of(now)
            self._count(connection, common | kind)
            self._count_slot(connection, common | {"slot": slot})
            if slot != self._pruned_slot:
                self._prune(connection, slot)

    def _prune(self, connection: Connection, slot: int) -> None:
        """Add half hours nobody asks for any more to their days; once per slot and process.

        Who deletes a row counts it, so two processes at once count it once. All of them begin with the
        slot: what another one is just deleting is passed over and not waited for.
        """
        key = tuple_(*call_slots.primary_key.columns)
        old = (
            select(*call_slots.primary_key.columns)
            .where(
                call_slots.c.environment == self._environment.value,
                call_slots.c.slot < slot - DAY_SLOTS,
            )
            .with_for_update(skip_locked=True)
        )
        dropped = connection.execute(
            delete(call_slots)
            .where(key.in_(old))
            .returning(call_slots.c.realm_id, call_slots.c.slot, call_slots.c.metered)
        ).all()
        if dropped:
            put_away_calls(
                self._database,
                connection,
                self._environment,
                [(str(realm), int(old), int(metered)) for realm, old, metered in dropped],
            )
        self._pruned_slot = slot

    def month_to_date(self, realm: RealmId) -> int:
        """Metered reads of this company since the first of the month."""
        return sum(count.metered for count in self.by_purpose(realm))

    def by_purpose(self, realm: RealmId) -> list[CallCount]:
        """This month's counts of a company, dearest first."""
        with self._database.read() as connection:
            month = self._database.now(connection).strftime("%Y-%m")
            rows = connection.execute(
                select(call_counts)
                .where(
                    call_counts.c.environment == self._environment.value,
                    call_counts.c.realm_id == realm,
                    call_counts.c.month == month,
                )
                .order_by(
                    call_counts.c.metered.desc(),
                    call_counts.c.entity,
                    call_counts.c.purpose,
                    call_counts.c.status,
                )
            ).mappings()
            return [
                CallCount(
                    row["entity"], row["purpose"], row["status"], row["calls"], row["metered"]
                )
                for row in rows
            ]

    def totals(self) -> list[CallTotal]:
        """Calls of all companies over all months, which only grow."""
        kinds = (call_counts.c.realm_id, call_counts.c.entity, call_counts.c.status)
        statement = (
            select(*kinds, func.sum(call_counts.c.calls), func.sum(call_counts.c.metered))
            .where(call_counts.c.environment == self._environment.value)
            .group_by(*kinds)
            .order_by(*kinds)
        )
        with self._database.read() as connection:
            return [
                CallTotal(RealmId(realm), entity, status, int(calls), int(metered))
                for realm, entity, status, calls, metered in connection.execute(statement)
            ]

    def total_month_to_date(self) -> int:
        """Metered reads of all companies since the first of the month: what the budget limits."""
        with self._database.read() as connection:
            month = self._database.now(connection).strftime("%Y-%m")
            total: int = connection.execute(
                select(func.coalesce(func.sum(call_counts.c.metered), 0)).where(
                    call_counts.c.environment == self._environment.value,
                    call_counts.c.month == month,
                )
            ).scalar_one()
            return int(total)

    def usage(self) -> dict[RealmId, CallUsage]:
        """What every company used, in two statements; companies without any call are left out."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            months = connection.execute(
                select(call_counts.c.realm_id, func.sum(call_counts.c.metered))
                .where(
                    call_counts.c.environment == self._environment.value,
                    call_counts.c.month == now.strftime("%Y-%m"),
                )
                .group_by(call_counts.c.realm_id)
            ).all()
            slot = slot_of(now)
            is_recent = call_slots.c.slot.in_(recent_slots(now))
            slots = connection.execute(
                select(
                    call_slots.c.realm_id,
                    call_slots.c.status,
                    func.sum(call_slots.c.metered),
                    func.sum(case((is_recent, call_slots.c.calls), else_=0)),
                )
                .where(
                    call_slots.c.environment == self._environment.value,
                    call_slots.c.slot > slot - DAY_SLOTS,
                )
                .group_by(call_slots.c.realm_id, call_slots.c.status)
            ).all()
        days: dict[RealmId, list[tuple[int, int, int]]] = {}
        for realm, status, metered, recent in slots:
            days.setdefault(RealmId(realm), []).append((status, int(metered), int(recent)))
        totals = {RealmId(realm): int(metered) for realm, metered in months}
        return {
            realm: _usage(totals.get(realm, 0), days.get(realm, ()))
            for realm in totals.keys() | days.keys()
        }


def _usage(month_to_date: int, day: Iterable[tuple[int, int, int]]) -> CallUsage:
    by_status = list(day)
    return CallUsage(
        month_to_date,
        last_day=sum(metered for _, metered, _ in by_status),
        recent=sum(recent for _, _, recent in by_status),
        failed=sum(recent for status, _, recent in by_status if call_failed(status)),
    )
