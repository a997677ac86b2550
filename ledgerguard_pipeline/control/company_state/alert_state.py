"""The memory of alerts, so that each change is sent once, by whichever process.

Two things: the alert states of each company as they were last seen (what is wrong, since when), and per
channel what it was sent last. Their contents belong to ``alerts.policy``; here they are texts.
A process claims what it is going to send; another one that comes to the same conclusion at the
same moment finds the claim or the newer version. A claim whose owner died ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, and_, delete, or_, select, update

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import alert_signs, alert_told
from ledgerguard_pipeline.values import Environment

CLAIM_SECONDS = 120.0
"""Longer than sending everything of one claim may take; see ``alerts.dispatcher``."""

_ERROR_LIMIT = 500

Change = Callable[[Mapping[str, str]], Mapping[str, str | None]]
"""From the stored states by company to those that changed; None removes a company's."""


@dataclass(frozen=True, slots=True)
class SentAlerts:
    """What a channel knows of a company; ``version`` 0 means nothing yet."""

    channel: str
    realm_id: str
    sent: str
    sent_at: datetime | None
    version: int
    attempts: int
    """Failed attempts since the last success."""
    busy_until: datetime | None
    """Claimed by a process until then, or not to be tried before."""
    last_error: str | None


class AlertStore:
    """Alert states and what was sent, of one environment; thread-safe."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._lock = f"alerts:{environment.value}"

    def alert_states(self) -> dict[str, str]:
        """The alert states by company; the installation's own are under the empty id."""
        statement = select(alert_signs.c.realm_id, alert_signs.c.signs).where(
            alert_signs.c.environment == self._environment.value
        )
        with self._database.read() as connection:
            return {row.realm_id: row.signs for row in connection.execute(statement)}

    def revise(self, change: Change, at: datetime | None = None) -> None:
        """Bring the alert states up to what was seen at ``at``, alone among all processes.

        Companies that somebody saw later than that are left alone, except where that is still to
        come: the clock was set back since. What holds whoever looked when has no ``at``. Nothing is
        written, and no lock taken, where nothing changed.
        """
        if not change(self.alert_states()):
            return
        mine = alert_signs.c.environment == self._environment.value
        with self._database.write(self._lock) as connection:
            rows = connection.execute(select(alert_signs).where(mine)).mappings().all()
            now = self._database.now(connection)
            seen = now if at is None else at
            later = {row["realm_id"] for row in rows if seen < row["observed_at"] <= now}
            changed = change({row["realm_id"]: row["signs"] for row in rows})
            for realm, alert_states in sorted(changed.items()):
                if realm in later:
                    continue
                if alert_states is None:
                    connection.execute(
                        delete(alert_signs).where(mine, alert_signs.c.realm_id == realm)
                    )
                    continue
                values = {
                    "environment": self._environment.value,
                    "realm_id": realm,
                    "signs": alert_states,
                    "observed_at": seen,
                }
                connection.execute(self._database.upsert(alert_signs, tuple(values)), values)

    def sent(self, channel: str | None = None) -> list[SentAlerts]:
        """What every channel, or one, was sent last."""
        statement = select(alert_told).where(alert_told.c.environment == self._environment.value)
        if channel is not None:
            statement = statement.where(alert_told.c.channel == channel)
        with self._database.read() as connection:
            now = self._database.now(connection)
            rows = connection.execute(statement).mappings()
            return [_sent(row, now) for row in rows]

    def claim(self, channel: str, owner: str, versions: Mapping[str, int]) -> set[str]:
        """Take these companies' news for one channel; those that nobody else has or had.

        ``versions`` is what the caller's notifications are based on: a company that was sent something
        since is not taken.
        """
        taken: set[str] = set()
        with self._database.write(self._lock) as connection:
            now = self._database.now(connection)
            for realm, version in sorted(versions.items()):
                if version == 0:
                    connection.execute(
                        self._database.insert_new(alert_told).values(
                            environment=self._environment.value, channel=channel, realm_id=realm,
                            told="{}", version=0, attempts=0,
                        )
                    )  # fmt: skip
                free = or_(alert_told.c.claim.is_(None), alert_told.c.claim_ends_at <= now)
                due = or_(alert_told.c.next_try_at.is_(None), alert_told.c.next_try_at <= now)
                found = connection.execute(
                    update(alert_told)
                    .where(self._row(channel), alert_told.c.realm_id == realm)
                    .where(alert_told.c.version == version, free, due)
                    .values(claim=owner, claim_ends_at=now + timedelta(seconds=CLAIM_SECONDS))
                )
                if found.rowcount == 1:
                    taken.add(realm)
        return taken

    def confirm(self, channel: str, owner: str, sent: Mapping[str, str]) -> None:
        """Record what the channel accepted; rows that ``owner`` no longer claims stay as they are."""
        with self._database.write(self._lock) as connection:
            now = self._database.now(connection)
            for realm, text in sorted(sent.items()):
                connection.execute(
                    update(alert_told)
                    .where(self._row(channel), alert_told.c.realm_id == realm)
                    .where(alert_told.c.claim == owner)
                    .values(
                        told=text, told_at=now, version=alert_told.c.version + 1, claim=None,
                        claim_ends_at=None, attempts=0, next_try_at=None, last_error=None,
                    )
                )  # fmt: skip

    def put_back(
        self,
        channel: str,
        owner: str,
        realms: Collection[str],
        *,
        error: str | None = None,
        retry_seconds: float = 0.0,
    ) -> None:
        """Give claimed notifications back unsent; with an ``error`` that counts as an attempt."""
        with self._database.write(self._lock) as connection:
            now = self._database.now(connection)
            values: dict[str, object] = {"claim": None, "claim_ends_at": None}
            if error is not None:
                values |= {
                    "attempts": alert_told.c.attempts + 1,
                    "next_try_at": now + timedelta(seconds=retry_seconds),
                    "last_error": error[:_ERROR_LIMIT],
                }
            for realm in sorted(realms):
                connection.execute(
                    update(alert_told)
                    .where(self._row(channel), alert_told.c.realm_id == realm)
                    .where(alert_told.c.claim == owner)
                    .values(**values)
                )

    def forget(self, realms: Collection[str]) -> None:
        """Drop everything about companies that are no longer known."""
        with self._database.write(self._lock) as connection:
            for realm in sorted(realms):
                for table in (alert_signs, alert_told):
                    connection.execute(
                        delete(table).where(
                            table.c.environment == self._environment.value,
                            table.c.realm_id == realm,
                        )
                    )

    def _row(self, channel: str) -> ColumnElement[bool]:
        return and_(
            alert_told.c.environment == self._environment.value, alert_told.c.channel == channel
        )


def _sent(row: RowMapping, now: datetime) -> SentAlerts:
    times = [moment for moment in (row["claim_ends_at"], row["next_try_at"]) if moment is not None]
    busy = max(times, default=None)
    return SentAlerts(
        channel=row["channel"],
        realm_id=row["realm_id"],
        sent=row["told"],
        sent_at=row["told_at"],
        version=row["version"],
        attempts=row["attempts"],
        busy_until=busy if busy is not None and busy > now else None,
        last_error=row["last_error"],
    )
