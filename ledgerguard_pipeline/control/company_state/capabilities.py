"""What each company's API was seen to accept, shared by all processes of an installation.

Written when a call was refused or a better way worked again, so almost never; read once per sync.
A power cut may lose the last rows: then it is found out once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, select

from ledgerguard_pipeline.capabilities import IGNORED, WITHHELD, Capability, Seen, Subject
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import capabilities
from ledgerguard_pipeline.values import Environment, RealmId

_COLUMNS = ("environment", "realm_id", "entity", "capability", "value", "seen_at")


@dataclass(frozen=True, slots=True)
class Lacking:
    """What one company's API keeps back: types of which Bronze holds objects, and whether queries
    leave out custom fields that single reads show.
    """

    withheld: tuple[str, ...] = ()
    custom_fields: bool = False


class CapabilityStore:
    """The companies of the environment the plane was opened for.

    Times are the store's. A capability written by a newer version of this program is left alone.
    """

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = capabilities.c.environment == environment.value

    def read(self, realm: RealmId) -> Mapping[Subject, Seen]:
        """Everything known of a company, however old, in one statement.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        statement = select(capabilities).where(self._mine, capabilities.c.realm_id == realm)
        known = {each.value for each in Capability}
        with self._database.read() as connection:
            return {
                (row.entity, Capability(row.capability)): Seen(row.value, row.seen_at)
                for row in connection.execute(statement)
                if row.capability in known
            }

    def lacking(self, realms: Sequence[RealmId] | None) -> Mapping[RealmId, Lacking]:
        """What people should know of some companies or of all, in one statement.

        Companies that lack nothing are left out.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        statement = (
            select(capabilities.c.realm_id, capabilities.c.entity, capabilities.c.value)
            .where(self._mine, capabilities.c.value.in_((WITHHELD, IGNORED)))
            .order_by(capabilities.c.entity)
        )
        if realms is not None:
            statement = statement.where(capabilities.c.realm_id.in_(realms))
        found: dict[RealmId, Lacking] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                realm = RealmId(row.realm_id)
                before = found.get(realm, Lacking())
                found[realm] = (
                    replace(before, withheld=(*before.withheld, row.entity))
                    if row.value == WITHHELD
                    else replace(before, custom_fields=True)
                )
        return found

    def note(self, realm: RealmId, entity: str, capability: Capability, value: str) -> None:
        """Remember what was seen just now.

        Raises:
            ControlUnavailable: the database cannot be reached; nothing was written.
        """
        self.note_all(realm, {(entity, capability): value})

    def note_all(self, realm: RealmId, found: Mapping[Subject, str]) -> None:
        """Remember several things that were seen just now, in one transaction.

        Raises:
            ControlUnavailable: the database cannot be reached; nothing was written.
        """
        if not found:
            return
        with self._database.write(self._lock(realm), durable=False) as connection:
            now = self._database.now(connection)
            connection.execute(
                self._database.upsert(capabilities, _COLUMNS),
                [
                    {
                        "environment": self._environment.value,
                        "realm_id": realm,
                        "entity": entity,
                        "capability": capability.value,
                        "value": value,
                        "seen_at": now,
                    }
                    for (entity, capability), value in found.items()
                ],
            )

    def drop(self, realm: RealmId, entity: str, capability: Capability) -> None:
        """Remember it no more: the best was seen to work.

        Raises:
            ControlUnavailable: the database cannot be reached; nothing was written.
        """
        with self._database.write(self._lock(realm), durable=False) as connection:
            connection.execute(
                delete(capabilities).where(
                    self._mine,
                    capabilities.c.realm_id == realm,
                    capabilities.c.entity == entity,
                    capabilities.c.capability == capability.value,
                )
            )

    def forget(self, realm: RealmId) -> None:
        """Drop everything known of a company, as when it is connected anew.

        Raises:
            ControlUnavailable: the database cannot be reached; nothing was written.
        """
        with self._database.write(self._lock(realm)) as connection:
            connection.execute(
                delete(capabilities).where(self._mine, capabilities.c.realm_id == realm)
            )

    def _lock(self, realm: RealmId) -> str:
        return f"capabilities:{self._environment.value}:{realm}"
