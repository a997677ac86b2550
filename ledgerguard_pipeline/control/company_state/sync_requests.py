"""Syncs that somebody asked for on the page; a sensor of Dagster starts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import sync_requests as requests
from ledgerguard_pipeline.values import Environment, RealmId

PAUSE_SECONDS = 30.0
"""Between two requests for one company: a sync takes a moment, and calls are metered."""


@dataclass(frozen=True, slots=True)
class AskedSync:
    """The last request for a company; an empty ``entity`` means all types."""

    realm_id: RealmId
    entity: str
    asked_at: datetime


class SyncRequests:
    """The last request of each company of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = requests.c.environment == environment.value

    def ask(self, realm: RealmId, entity: str = "") -> float:
        """Ask for a sync; zero if that was noted, else the seconds to wait before asking again."""
        with self._database.write(f"sync_request:{realm}") as connection:
            now = self._database.now(connection)
            found = select(requests.c.asked_at).where(self._mine, requests.c.realm_id == realm)
            last = connection.execute(found).scalar_one_or_none()
            age = PAUSE_SECONDS if last is None else (now - last).total_seconds()
            if 0 <= age < PAUSE_SECONDS:
                return PAUSE_SECONDS - age
            values = {
                "environment": self._environment.value,
                "realm_id": realm,
                "entity": entity,
                "asked_at": now,
            }
            connection.execute(self._database.upsert(requests, tuple(values)), values)
        return 0.0

    def read(self) -> dict[RealmId, AskedSync]:
        """The last request of each company, by company."""
        with self._database.read() as connection:
            rows = connection.execute(select(requests).where(self._mine)).mappings()
            return {
                RealmId(row["realm_id"]): AskedSync(
                    RealmId(row["realm_id"]), row["entity"], row["asked_at"]
                )
                for row in rows
            }
