"""Which data checks fail for which company, kept until the same check passes for it again.

Dagster keeps the last evaluation of a check, whichever company it was about; here every company's
own result stays until that company is judged again, so that a check can be reported over all of
them. Only faults are rows: a fleet in order has none, and judging it writes nothing.

Decision 47 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, select

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import check_faults as faults
from ledgerguard_pipeline.control.storage.schema import companies
from ledgerguard_pipeline.values import Environment, RealmId

EVERY_ENTITY = ""
"""Stands for all entity types of a company: it could not be opened at all."""

_TEXT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """What one check found for one entity type of one company.

    ``fault`` says in a sentence, without secrets, what is wrong; None if the check passed.
    ``severe`` distinguishes an error from a warning.
    """

    entity: str
    check: str
    fault: str | None = None
    severe: bool = True


@dataclass(frozen=True, slots=True)
class CheckFault:
    """A check that fails for a company, and since when."""

    realm_id: RealmId
    entity: str
    check: str
    severe: bool
    text: str
    since: datetime
    company: str = ""
    """Its name, where that is known."""


class CheckFaults:
    """The faults of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = faults.c.environment == environment.value

    def judged(self, realm: RealmId, found: Sequence[Judged]) -> None:
        """Note results for a company; one that passes ends an older fault of the same check."""
        self.judged_together({realm: found})

    def judged_together(self, found: Mapping[RealmId, Sequence[Judged]]) -> None:
        """As ``judged``, for several companies; what is known of them is read at once."""
        realms = [realm for realm, mine in found.items() if mine]
        if not realms:
            return
        known: dict[RealmId, dict[tuple[str, str], CheckFault]] = {realm: {} for realm in realms}
        for each in self.of(realms):
            known[each.realm_id][each.entity, each.check] = each
        for realm in realms:
            self._note(realm, found[realm], known[realm])

    def _note(
        self,
        realm: RealmId,
        found: Sequence[Judged],
        known: Mapping[tuple[str, str], CheckFault],
    ) -> None:
        healed, new = [], []
        for each in found:
            before = known.get((each.entity, each.check))
            if each.fault is None:
                if before is not None:
                    healed.append(each)
            elif before is None or (before.text, before.severe) != (_cut(each.fault), each.severe):
                new.append((each, before))
        if not healed and not new:
            return
        lock = f"check_faults:{self._environment.value}:{realm}"
        with self._database.write(lock, durable=False) as connection:
            now = self._database.now(connection)
            for each in healed:
                connection.execute(
                    delete(faults).where(
                        self._mine,
                        faults.c.realm_id == realm,
                        faults.c.entity == each.entity,
                        faults.c.check_name == each.check,
                    )
                )
            for each, before in new:
                values = {
                    "environment": self._environment.value,
                    "realm_id": realm,
                    "entity": each.entity,
                    "check_name": each.check,
                    "severe": each.severe,
                    "fault": _cut(each.fault or ""),
                    "since": now if before is None else before.since,
                }
                connection.execute(self._database.upsert(faults, tuple(values)), values)

    def read(self, entities: Iterable[str] | None = None) -> list[CheckFault]:
        """The faults of all companies that were not disconnected, of some entity types or all.

        Those of ``EVERY_ENTITY`` are always among them. One statement; by company and entity.
        """
        return self._read(None, entities)

    def of(self, realms: Iterable[RealmId]) -> list[CheckFault]:
        """The faults of some companies, whatever their connections are."""
        return self._read(list(realms))

    def _read(
        self, realms: Sequence[RealmId] | None, entities: Iterable[str] | None = None
    ) -> list[CheckFault]:
        here = and_(
            companies.c.environment == faults.c.environment,
            companies.c.realm_id == faults.c.realm_id,
        )
        statement = (
            select(faults, companies.c.name)
            .join(companies, here)
            .where(self._mine, companies.c.status != ConnectionStatus.DISCONNECTED.value)
            .order_by(faults.c.realm_id, faults.c.entity, faults.c.check_name)
        )
        if realms is not None:
            # To judge a company one has to know its faults, whatever its connection is.
            statement = (
                select(faults, companies.c.name)
                .outerjoin(companies, here)
                .where(self._mine, faults.c.realm_id.in_(realms))
                .order_by(faults.c.realm_id, faults.c.entity, faults.c.check_name)
            )
        if entities is not None:
            statement = statement.where(faults.c.entity.in_({*entities, EVERY_ENTITY}))
        with self._database.read() as connection:
            return [
                CheckFault(
                    RealmId(row.realm_id),
                    row.entity,
                    row.check_name,
                    row.severe,
                    row.fault,
                    row.since,
                    row.name or "",
                )
                for row in connection.execute(statement)
            ]


def _cut(text: str) -> str:
    return text[:_TEXT_LIMIT]
