"""What happened to each company day by day: for people who look back, never for a decision.

Days are UTC. Rows come with the sync states of a commit, calls when their half hours are put away
(``rate_limits/call_ledger.py``), health whenever it is looked at for the sake of this history; of a
day the worst state is kept.

Decision 82 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from ledgerguard_pipeline.control.storage.call_slots import SLOT_SECONDS, slot_of
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import call_slots, daily_figures, daily_health
from ledgerguard_pipeline.values import Environment, RealmId

KEPT_DAYS = 62
"""Two months: a page shows thirty days, and the month before for comparison."""

ROWS, CALLS = "rows", "calls"
ALL_COMPANIES = RealmId("")
_COLUMNS = ("environment", "realm_id", "day", "figure", "label", "value")
_HEALTH = ("environment", "day", "realm_id", "state", "reason")
_REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class DayHealth:
    """The worst state of a day, and its first reason; empty where it was healthy."""

    state: str
    reason: str = ""


def add_rows(
    database: Database,
    connection: Connection,
    environment: Environment,
    realm: RealmId,
    now: datetime,
    changed: Mapping[str, int],
) -> None:
    """Count rows written or removed today, by group of entity types; part of the caller's transaction."""
    rows = [
        _row(environment, realm, _day(now), ROWS, group, count)
        for group, count in sorted(changed.items())
        if count
    ]
    if rows:
        connection.execute(database.upsert(daily_figures, _COLUMNS, add=("value",)), rows)


def put_away_calls(
    database: Database,
    connection: Connection,
    environment: Environment,
    slots: Sequence[tuple[str, int, int]],
) -> None:
    """Add half hours that are dropped, as (company, half hour, metered reads), to their days."""
    days: dict[tuple[str, str], int] = {}
    for realm, slot, metered in slots:
        for owner in (realm, ALL_COMPANIES):
            key = owner, slot_day(slot)
            days[key] = days.get(key, 0) + metered
    rows = [
        _row(environment, realm, day, CALLS, "", metered)
        for (realm, day), metered in sorted(days.items())
        if metered
    ]
    if rows:
        connection.execute(database.upsert(daily_figures, _COLUMNS, add=("value",)), rows)


class DailyHistory:
    """The history of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._figures = daily_figures.c.environment == environment.value
        self._health = daily_health.c.environment == environment.value

    def rows(self, realm: RealmId, since: date) -> dict[str, dict[str, int]]:
        """Rows written or removed, by group of entity types and day."""
        found: dict[str, dict[str, int]] = {}
        for day, group, value in self._read(realm, ROWS, since):
            found.setdefault(group, {})[day] = value
        return found

    def calls(self, realm: RealmId, since: date) -> dict[str, int]:
        """Metered reads by day, of one company or of ``ALL_COMPANIES``, up to now."""
        found = {day: value for day, _, value in self._read(realm, CALLS, since)}
        first = slot_of(datetime(since.year, since.month, since.day, tzinfo=UTC))
        statement = (
            select(call_slots.c.slot, func.sum(call_slots.c.metered))
            .where(call_slots.c.environment == self._environment.value, call_slots.c.slot >= first)
            .group_by(call_slots.c.slot)
        )
        if realm != ALL_COMPANIES:
            statement = statement.where(call_slots.c.realm_id == realm)
        with self._database.read() as connection:
            for slot, metered in connection.execute(statement):
                day = slot_day(int(slot))
                found[day] = found.get(day, 0) + int(metered)
        return found

    def health(self, realm: RealmId, since: date) -> dict[str, DayHealth]:
        """The worst state of each day that anybody looked at it, by day."""
        statement = select(daily_health).where(
            self._health,
            daily_health.c.day >= since.isoformat(),
            daily_health.c.realm_id == realm,
        )
        with self._database.read() as connection:
            return {
                row.day: DayHealth(row.state, row.reason) for row in connection.execute(statement)
            }

    def health_on(self, day: date) -> dict[RealmId, DayHealth]:
        """The worst state of each company on a day, in one statement."""
        statement = select(daily_health).where(self._health, daily_health.c.day == day.isoformat())
        with self._database.read() as connection:
            return {
                RealmId(row.realm_id): DayHealth(row.state, row.reason)
                for row in connection.execute(statement)
            }

    def note_health(self, day: date, found: Mapping[RealmId, DayHealth]) -> None:
        """Keep these as the worst states of the day; days long past are dropped."""
        if not found:
            return
        rows = [
            {
                "environment": self._environment.value,
                "day": day.isoformat(),
                "realm_id": realm,
                "state": each.state,
                "reason": each.reason[:_REASON_LIMIT],
            }
            for realm, each in sorted(found.items())
        ]
        lock = f"daily_health:{self._environment.value}"
        with self._database.write(lock, durable=False) as connection:
            connection.execute(self._database.upsert(daily_health, _HEALTH), rows)

    def forget_before(self, day: date) -> None:
        """Drop older days of all companies."""
        lock = f"daily_health:{self._environment.value}"
        with self._database.write(lock, durable=False) as connection:
            for table, mine in ((daily_figures, self._figures), (daily_health, self._health)):
                connection.execute(delete(table).where(mine, table.c.day < day.isoformat()))

    def _read(self, realm: RealmId, figure: str, since: date) -> list[tuple[str, str, int]]:
        statement = select(daily_figures.c.day, daily_figures.c.label, daily_figures.c.value).where(
            self._figures,
            daily_figures.c.realm_id == realm,
            daily_figures.c.day >= since.isoformat(),
            daily_figures.c.figure == figure,
        )
        with self._database.read() as connection:
            return [(day, label, int(value)) for day, label, value in connection.execute(statement)]


def days_until(last: date, count: int) -> list[date]:
    """So many days in order, ``last`` among them."""
    return [last - timedelta(days=before) for before in reversed(range(count))]


def slot_day(slot: int) -> str:
    """The day a half hour belongs to."""
    return _day(datetime.fromtimestamp(slot * SLOT_SECONDS, UTC))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _row(
    environment: Environment, realm: str, day: str, figure: str, label: str, value: int
) -> dict[str, object]:
    return {
        "environment": environment.value,
        "realm_id": realm,
        "day": day,
        "figure": figure,
        "label": label[:60],
        "value": value,
    }
