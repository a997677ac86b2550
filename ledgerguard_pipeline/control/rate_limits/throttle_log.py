"""Runs of 429 answers: an ordinary one ends within minutes, a spent quota does not.

Intuit answers both with the same status. A minute's limit lets go after a minute; the monthly
quota of an app lets go when the month ends. So time distinguishes them: calls that
are refused again and again, after full pauses and without one success in between. The same goes for
the token endpoint, which answers 429 for a limit of all of Intuit's endpoints together and was seen to do so
for a spent quota; what it refuses so it refuses to the whole app.

Decision 21 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, select, update

from ledgerguard_pipeline.control.rate_limits.call_ledger import next_month
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import refusals
from ledgerguard_pipeline.errors import QuotaExhausted, TokenEndpointThrottled
from ledgerguard_pipeline.values import Environment, RealmId

QUOTA_AFTER = timedelta(minutes=15)
"""No limit that counts by the minute refuses calls for that long when they pause in between."""

QUOTA_REFUSALS = 5
PROBE_EVERY = timedelta(hours=1)
"""While the quota is used up, one call per this time checks whether somebody raised it."""

_SOONEST = timedelta(minutes=1)
_PAUSE = timedelta(minutes=1)
"""After a 429 of the token endpoint, before it is asked again for any company (Intuit's advice)."""

PROBE_LASTS = timedelta(minutes=5)
"""Whoever may check has this long; then it is the next one."""

_BROKEN_AFTER = timedelta(hours=2)
"""Refusals further apart belong to different runs."""


APP = RealmId("")
"""Stands for all companies of the app where a company's id is expected."""


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
        with self._database.write(self._lock(realm)) as connection:
            now = self._database.now(connection)
            run = _continued(self._known(connection, realm), now)
            self._save(connection, realm, run)
        return run

    def note_app(self, retry_after: float | None = None) -> Refusals:
        """Count a 429 of the token endpoint; once it is a spent quota, no company is called.

        ``retry_after`` is in seconds; it brings the next question forward, never back.
        """
        wait = PROBE_EVERY
        if retry_after is not None:
            wait = min(max(timedelta(seconds=retry_after), _SOONEST), PROBE_EVERY)
        with self._database.write(self._lock(APP)) as connection:
            now = self._database.now(connection)
            run = _continued(self._known(connection, APP), now, wait)
            self._save(connection, APP, run)
        return run

    def token_refusal(
        self, error: TokenEndpointThrottled, realm: RealmId
    ) -> TokenEndpointThrottled | QuotaExhausted:
        """Count a 429 of the token endpoint to this company, and say what it is by now."""
        run = self.note_app(error.retry_after)
        error.realm_id = realm
        return error if run.resumes_at is None else exhausted(run, realm, app=True)

    def app(self) -> Refusals | None:
        """The run of the whole app, if the token endpoint refused."""
        return self.read([]).get(APP)

    def tokens_given(self) -> None:
        """The token endpoint gives tokens again, so nothing keeps the app's calls back any more."""
        if self.app() is not None:
            self.clear(APP)

    def probe(self, realm: RealmId) -> bool:
        """Claim the one call that may ask whether a spent quota is still spent."""
        with self._database.write(self._lock(realm)) as connection:
            now = self._database.now(connection)
            claimed = connection.execute(
                update(refusals)
                .where(self._mine, refusals.c.realm_id == realm, refusals.c.resumes_at <= now)
                .values(resumes_at=now + PROBE_LASTS)
            )
            return claimed.rowcount == 1

    def clear(self, realm: RealmId) -> None:
        """A call went through: the run is over."""
        with self._database.write(None, durable=False) as connection:
            connection.execute(delete(refusals).where(self._mine, refusals.c.realm_id == realm))

    def read(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, Refusals]:
        """The runs of some companies or of all, and that of the app, in one statement."""
        statement = select(refusals).where(self._mine)
        if realms is not None:
            statement = statement.where(refusals.c.realm_id.in_([*realms, APP]))
        with self._database.read() as connection:
            return {
                RealmId(row["realm_id"]): _refusals(row)
                for row in connection.execute(statement).mappings()
            }

    def _known(self, connection: Connection, realm: RealmId) -> Refusals | None:
        statement = select(refusals).where(self._mine, refusals.c.realm_id == realm)
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _refusals(row)

    def _save(self, connection: Connection, realm: RealmId, run: Refusals) -> None:
        values = {
            "environment": self._environment.value,
            "realm_id": realm,
            "began_at": run.began_at,
            "last_at": run.last_at,
            "count": run.count,
            "resumes_at": run.resumes_at,
        }
        connection.execute(self._database.upsert(refusals, tuple(values)), values)

    def _lock(self, realm: RealmId) -> str:
        return f"refusals:{self._environment.value}:{realm}"


def exhausted(run: Refusals, realm: RealmId | None, *, app: bool) -> QuotaExhausted:
    """The error for a used-up quota; ``app`` if the token endpoint said so."""
    until = "later" if run.resumes_at is None else f"at {run.resumes_at:%Y-%m-%d %H:%M} UTC"
    since = f"{run.began_at:%Y-%m-%d %H:%M} UTC"
    what = (
        f"Intuit has refused to renew tokens since {since} (429 of its token endpoint)"
        if app
        else f"QuickBooks has refused every call since {since}"
    )
    return QuotaExhausted(
        f"{what}: the app's monthly quota of reads is used up. Raise it in Intuit's developer "
        f"portal; the next call asks again {until}, and loading then resumes where it stopped.",
        realm_id=realm,
        status=429,
    )


def still_waiting(run: Refusals, realm: RealmId, now: datetime) -> TokenEndpointThrottled | None:
    """Why the token endpoint is not asked yet after a 429 to anybody; None once it may be."""
    left = (run.last_at + _PAUSE - now).total_seconds()
    if not 0 < left <= _PAUSE.total_seconds():
        return None
    waiting = TokenEndpointThrottled(
        f"Intuit's token endpoint asked the app to wait (429); it is asked again in {left:.0f} s. "
        "The grant is kept.",
        realm_id=realm,
        status=429,
    )
    waiting.retry_after = left
    return waiting


def _continued(known: Refusals | None, now: datetime, wait: timedelta = PROBE_EVERY) -> Refusals:
    if known is None or now - known.last_at > _BROKEN_AFTER:
        return Refusals(now, now, 1, None)
    run = replace(known, last_at=now, count=known.count + 1)
    if run.count < QUOTA_REFUSALS or now - run.began_at < QUOTA_AFTER:
        return run
    return replace(run, resumes_at=min(now + wait, next_month(now)))


def _refusals(row: RowMapping) -> Refusals:
    return Refusals(row["began_at"], row["last_at"], row["count"], row["resumes_at"])
