"""Counts that outlive processes and are shared by them, for metrics."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import counters
from ledgerguard_pipeline.values import Environment

_COLUMNS = ("environment", "name", "label", "value")


class CounterStore:
    """Counters by name and label; they only grow. A power cut may lose the last steps."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment

    def add(self, name: str, label: str, value: float = 1.0) -> None:
        """Count in a transaction of its own."""
        with self._database.write(None, durable=False) as connection:
            self.add_all(connection, name, {label: value})

    def add_all(self, connection: Connection, name: str, steps: Mapping[str, float]) -> None:
        """Count within the caller's transaction."""
        if steps:
            connection.execute(
                self._database.upsert(counters, _COLUMNS, add=("value",)),
                [
                    {
                        "environment": self._environment.value,
                        "name": name[:40],
                        "label": label[:60],
                        "value": float(steps[label]),
                    }
                    # Always in one order: two transactions then never wait for each other.
                    for label in sorted(steps)
                ],
            )

    def read(self, name: str) -> dict[str, float]:
        """The values of one counter by label."""
        statement = select(counters.c.label, counters.c.value).where(
            counters.c.environment == self._environment.value, counters.c.name == name
        )
        with self._database.read() as connection:
            return {row.label: float(row.value) for row in connection.execute(statement)}
