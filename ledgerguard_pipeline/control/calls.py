"""The call ledger: what every call was for, so that the monthly budget can be explained."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from ledgerguard_pipeline.control.database import Database
from ledgerguard_pipeline.control.schema import call_counts
from ledgerguard_pipeline.values import Environment, RealmId


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


class CallLedger:
    """Counts per company, entity, purpose, status and calendar month (UTC).

    Counts survive the death of a process; a power cut may lose the last ones.
    """

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment

    def record(
        self, realm: RealmId, *, entity: str, purpose: str, status: int, metered: int = 1
    ) -> None:
        """Count one HTTP call that Intuit meters as ``metered`` reads (a batch: its items)."""
        name = f"calls:{self._environment.value}:{realm}"
        with self._database.write(name, durable=False) as connection:
            month = self._database.now(connection).strftime("%Y-%m")
            values: dict[str, object] = {
                "environment": self._environment.value,
                "realm_id": realm,
                "month": month,
                "entity": entity[:60],
                "purpose": purpose[:60],
                "status": status,
                "calls": 1,
                "metered": metered,
            }
            connection.execute(
                self._database.upsert(call_counts, tuple(values), add=("calls", "metered")),
                values,
            )

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
