"""Where Intuit's count of an entity and Bronze differed when they were compared last.

Almost always nowhere, so a comparison that finds nothing new writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import count_gaps as gaps
from ledgerguard_pipeline.values import Environment, RealmId


@dataclass(frozen=True, slots=True)
class CountGap:
    """One entity type of a company: Intuit counted ``counted`` objects, Bronze held ``held``."""

    entity: str
    counted: int
    held: int


class CountGaps:
    """The differences of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = gaps.c.environment == environment.value

    def compared(self, realm: RealmId, found: Sequence[CountGap]) -> None:
        """Note comparisons, also those without a difference: they end an older one."""
        known = {each.entity: each for each in self.read([realm]).get(realm, ())}
        differing = [each for each in found if each.counted != each.held]
        healed = [
            each.entity for each in found if each.counted == each.held and each.entity in known
        ]
        new = [each for each in differing if known.get(each.entity) != each]
        if not new and not healed:
            return
        with self._database.write(f"gaps:{self._environment.value}:{realm}") as connection:
            for entity in healed:
                connection.execute(
                    delete(gaps).where(
                        self._mine, gaps.c.realm_id == realm, gaps.c.entity == entity
                    )
                )
            for each in new:
                values = {
                    "environment": self._environment.value,
                    "realm_id": realm,
                    "entity": each.entity,
                    "counted": each.counted,
                    "held": each.held,
                }
                connection.execute(self._database.upsert(gaps, tuple(values)), values)

    def read(
        self, realms: Sequence[RealmId] | None = None
    ) -> Mapping[RealmId, tuple[CountGap, ...]]:
        """All differences by company, of some companies or of all, in one statement."""
        statement = select(gaps).where(self._mine).order_by(gaps.c.entity)
        if realms is not None:
            statement = statement.where(gaps.c.realm_id.in_(realms))
        found: dict[RealmId, tuple[CountGap, ...]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                gap = CountGap(row.entity, row.counted, row.held)
                realm = RealmId(row.realm_id)
                found[realm] = (*found.get(realm, ()), gap)
        return found
