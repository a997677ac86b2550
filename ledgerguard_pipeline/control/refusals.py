"""Runs of 429 answers: an ordinary one ends within minutes, a spent quota does not.

Intuit answers both with the same status. A minute's limit lets go after a minute; the monthly
quota of an app lets go at the turn of the month. So what tells them apart is time: calls that
are refused again and again, after full pauses and without one success in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, delete, select, update

from ledgerguard_pipeline.control.calls import next_month
from ledgerguard_pipeline.control.database import Database
from ledgerguard_pipeline.control.schema import refusals
from ledgerguard_pipeline.values import Environment, RealmId

QUOTA_AFTER = timedelta(minutes=15)
"""No limit that counts by the minute refuses calls for so long when they pause in between."""

QUOTA_REFUSALS = 5
PROBE_EVERY = timedelta(hours=1)
"""While the quota is spent, one call in so long asks whether somebody raised it."""

_PROBE_LASTS = timedelta(minutes=5)
_BROKEN_AFTER = timedelta(hours=2)
"""Refusals further apart belong to different runs."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """An unbroken run of 429 answers of one company.

    ``resumes_at`` is set once the run was recognised as a spent quota: no call starts before it.
    """

    began_at: datetime
    last_at: datetime
    count: int
    resumes_at: datetime | None


class RefusalLog:
    """Runs of refusals of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = refusals.c.environment == environment.value

    def note(self, realm: RealmId) -> Refusals:
        """Count one 429 and return the run it belongs to."""
        with self._database.write(f"refusals:{self._environment.value}:{realm}") as connection:
            now = self._database.now(connection)
            row = (
                connection.execute(select(refusals).where(self._mine, refusals.c.realm_id == realm))
                .mappings()
                .one_or_none()
            )
            known = None if row is None else _refusals(row)
            run = _continued(known, now)
            values = {
                "environment": self._environment.value,
                "realm_id": realm,
                "began_at": run.began_at,
                "last_at": run.last_at,
                "count": run.count,
                "resumes_at": run.resumes_at,
            }
            connection.execute(self._database.upsert(refusals, tuple(values)), values)
        return run

    def probe(self, realm: RealmId) -> bool:
        """Claim the one call that may ask whether a spent quota is still spent."""
        with self._database.write(f"refusals:{self._environment.value}:{realm}") as connection:
            now = self._database.now(connection)
            claimed = connection.execute(
                update(refusals)
                .where(self._mine, refusals.c.realm_id == realm, refusals.c.resumes_at <= now)
                .values(resumes_at=now + _PROBE_LASTS)
            )
            return claimed.rowcount == 1

    def clear(self, realm: RealmId) -> None:
        """A call went through: the run is over."""
        with self._database.write(None, durable=False) as connection:
            connection.execute(delete(refusals).where(self._mine, refusals.c.realm_id == realm))

    def read(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, Refusals]:
        """The runs of some companies or of all, in one statement."""
        statement = select(refusals).where(self._mine)
        if realms is not None:
            statement = statement.where(refusals.c.realm_id.in_(realms))
        with self._database.read() as connection:
            return {
                RealmId(row["realm_id"]): _refusals(row)
                for row in connection.execute(statement).mappings()
            }


def _continued(known: Refusals | None, now: datetime) -> Refusals:
    if known is None or now - known.last_at > _BROKEN_AFTER:
        return Refusals(now, now, 1, None)
    run = replace(known, last_at=now, count=known.count + 1)
    if run.count < QUOTA_REFUSALS or now - run.began_at < QUOTA_AFTER:
        return run
    return replace(run, resumes_at=min(now + PROBE_EVERY, next_month(now)))


def _refusals(row: RowMapping) -> Refusals:
    return Refusals(row["began_at"], row["last_at"], row["count"], row["resumes_at"])
