"""Entity types whose answers are not believed: they went silent about objects that are there.

Almost never any; a type stays here until all its rows could be read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import doubts
from ledgerguard_pipeline.values import Environment, RealmId

_COLUMNS = ("environment", "realm_id", "entity", "found_at", "looked_at")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One entity type of a company: doubted since ``found_at``, looked at last at ``looked_at``."""

    entity: str
    found_at: datetime
    looked_at: datetime


class Doubts:
    """The doubted types of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = doubts.c.environment == environment.value

    def found(self, realm: RealmId, entities: Collection[str]) -> None:
        """These types were silent just now; how long they have been doubted is kept."""
        known = {each.entity: each for each in self.read([realm]).get(realm, ())}
        with self._database.write(self._lock(realm)) as connection:
            now = self._database.now(connection)
            rows = [
                {
                    "environment": self._environment.value,
                    "realm_id": realm,
                    "entity": name,
                    "found_at": known[name].found_at if name in known else now,
                    "looked_at": now,
                }
                for name in sorted(entities)
            ]
            connection.execute(self._database.upsert(doubts, _COLUMNS), rows)

    def settled(self, realm: RealmId, entities: Collection[str]) -> None:
        """All rows of these types could be read again."""
        with self._database.write(self._lock(realm)) as connection:
            connection.execute(
                delete(doubts).where(
                    self._mine, doubts.c.realm_id == realm, doubts.c.entity.in_(sorted(entities))
                )
            )

    def read(self, realms: Sequence[RealmId] | None = None) -> Mapping[RealmId, tuple[Doubt, ...]]:
        """All doubts by company, of some companies or of all, in one statement."""
        statement = select(doubts).where(self._mine).order_by(doubts.c.entity)
        if realms is not None:
            statement = statement.where(doubts.c.realm_id.in_(realms))
        found: dict[RealmId, tuple[Doubt, ...]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                realm = RealmId(row.realm_id)
                doubt = Doubt(row.entity, row.found_at, row.looked_at)
                found[realm] = (*found.get(realm, ()), doubt)
        return found

    def _lock(self, realm: RealmId) -> str:
        return f"doubts:{self._environment.value}:{realm}"
