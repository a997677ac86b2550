"""The companies of one environment and the status of their connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, RowMapping, case, delete, func, select, update

from ledgerguard_pipeline.control.storage.call_slots import failing, recent_slots
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import call_slots, companies
from ledgerguard_pipeline.errors import BadInputError, ConfigurationError, FailureKind
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.values import Environment, RealmId

_ERROR_LIMIT = 1000


class ConnectionStatus(StrEnum):
    """Whether a company may be called."""

    CONNECTED = "connected"
    NEEDS_REAUTH = "needs_reauth"
    """Its grant is dead; only a new consent helps. Its schedules pause, others go on."""
    DISCONNECTED = "disconnected"
    """Somebody disconnected it on purpose; its tokens are forgotten, its rows are kept."""


@dataclass(frozen=True, slots=True)
class Company:
    """One connected QuickBooks company."""

    realm_id: RealmId
    environment: Environment
    name: str
    status: ConnectionStatus
    connected_at: datetime
    last_success_at: datetime | None = None
    last_error: str | None = None
    response_time_ms: float | None = None
    error_kind: FailureKind | None = None
    """Whose action ``last_error`` needs; None if unknown."""
    error_name: str = ""
    """The error's name in ``errors.py``; empty where nobody noted it."""
    error_at: datetime | None = None
    """Since when ``last_error`` holds; None where an older version noted it."""

    @property
    def not_connected(self) -> str | None:
        """Why it cannot be called, and what to do; None while it is connected."""
        if self.status is ConnectionStatus.CONNECTED:
            return None
        if self.last_error:
            return f"{self.name} is not connected any more. {self.last_error}"
        why = (
            "it was disconnected on purpose"
            if self.status is ConnectionStatus.DISCONNECTED
            else "Intuit no longer accepts its grant"
        )
        return (
            f"{self.name} is not connected any more: {why}. Run `ledgerguard connect`, or press "
            "Connect again on the page, and choose it; loading resumes where it stopped."
        )


class CompanyStore:
    """Companies of the environment the plane was opened for; the other one's are invisible."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = companies.c.environment == environment.value

    def put(self, company: Company) -> None:
        """Add or replace a company.

        Raises:
            ConfigurationError: it belongs to the other environment.
        """
        self.refuse_other_environment(company.realm_id, company.environment)
        values = {
            "environment": company.environment.value,
            "realm_id": company.realm_id,
            "name": company.name,
            "status": company.status.value,
            "connected_at": company.connected_at,
            "last_success_at": company.last_success_at,
            "last_error": company.last_error,
            "response_time_ms": company.response_time_ms,
            "error_kind": company.error_kind,
            "error_name": company.error_name or None,
            "error_at": company.error_at,
        }
        with self._database.write(f"company:{company.realm_id}") as connection:
            connection.execute(self._database.upsert(companies, tuple(values)), values)

    def refuse_other_environment(self, realm: RealmId, environment: Environment) -> None:
        """Stop before a company or token of one Intuit environment is used in the other.

        Raises:
            ConfigurationError: ``environment`` is not the plane's, or the realm is known as a
                company of the other one.
        """
        if environment is not self._environment:
            raise ConfigurationError(
                f"This is a {environment.value} company, but INTUIT_ENV is "
                f"{self._environment.value}. Set INTUIT_ENV={environment.value}, or connect "
                f"a {self._environment.value} company.",
                realm_id=realm,
            )
        statement = select(companies.c.environment).where(
            companies.c.realm_id == realm, companies.c.environment != self._environment.value
        )
        with self._database.read() as connection:
            other = connection.execute(statement).scalar_one_or_none()
        if other is not None:
            raise ConfigurationError(
                f"This company is connected as a {other} company, but INTUIT_ENV is "
                f"{self._environment.value}. Set INTUIT_ENV={other}, or use another "
                "LEDGERGUARD_HOME for the other environment.",
                realm_id=realm,
            )

    def get(self, realm: RealmId) -> Company | None:
        """The company, or None if it was never connected."""
        statement = select(companies).where(self._mine, companies.c.realm_id == realm)
        with self._database.read() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _company(row)

    def require(self, realm: RealmId) -> Company:
        """The company.

        Raises:
            BadInputError: it was never connected.
            ConfigurationError: it is a company of the other environment.
        """
        company = self.get(realm)
        if company is None:
            self.refuse_other_environment(realm, self._environment)
            raise BadInputError(
                "This company is not connected here, and never was or was forgotten. `ledgerguard "
                "companies` lists those that are known, `ledgerguard connect` connects one.",
                realm_id=realm,
            )
        return company

    def require_connected(self, realm: RealmId) -> Company:
        """The company, if it may be called.

        Raises:
            BadInputError: it was never connected, or is not connected any more.
            ConfigurationError: it is a company of the other environment.
        """
        company = self.require(realm)
        if company.not_connected is not None:
            raise BadInputError(company.not_connected, realm_id=realm)
        return company

    def list(self, status: ConnectionStatus | None = None) -> list[Company]:
        """All companies by name, or those of one status."""
        statement = select(companies).where(self._mine)
        if status is not None:
            statement = statement.where(companies.c.status == status.value)
        statement = statement.order_by(companies.c.name, companies.c.realm_id)
        with self._database.read() as connection:
            return [_company(row) for row in connection.execute(statement).mappings()]

    def set_status(
        self, realm: RealmId, status: ConnectionStatus, error: str | None = None
    ) -> None:
        """Set the status and why; ``error`` must hold no secret. Unknown realms are ignored."""
        self._update(realm, durable=True, status=status.value, **self._failing(error))

    def heartbeat(
        self, realm: RealmId, response_time_ms: float, *, recovered: bool = False
    ) -> None:
        """Note a successful call and how long it took; clears the last error of a connected company.

        One that is not connected any more keeps its reason, and since when: its grant may have been
        refused in the middle of the sync of which another part worked.
        ``recovered`` says that nothing failed meanwhile: recent failures are over, and no rate of
        them is held against the company. The counts by month keep them.
        """
        now = self._database.time()
        if recovered:
            self._forget_failures(realm, recent_slots(now))
        self._update(
            realm,
            durable=False,
            last_success_at=now,
            response_time_ms=response_time_ms,
            **{
                column: case((_CONNECTED, nothing), else_=companies.c[column])
                for column, nothing in NO_ERROR.items()
            },
        )

    def stumble(self, realm: RealmId, error: Failure | str) -> None:
        """Record what failed while the connection works; the next clean sync clears it.

        ``error`` must hold no secret. A company that is not connected keeps its own reason.
        """
        self._update(
            realm,
            _CONNECTED,
            durable=False,
            **self._failing(error),
        )

    def forget(self, realm: RealmId) -> None:
        """Remove the company's row; its tokens and Bronze rows are not touched."""
        with self._database.write(f"company:{realm}") as connection:
            connection.execute(delete(companies).where(self._mine, companies.c.realm_id == realm))

    def _failing(self, error: Failure | str | None) -> dict[str, object]:
        """The columns of what failed; what failed before for the same reason goes on since then."""
        values = _failed(error)
        if error is not None:
            now, same = self._database.time(), companies.c.last_error == values["last_error"]
            since = func.coalesce(companies.c.error_at, now)
            values["error_at"] = case((same, since), else_=now)
        return values

    def _forget_failures(self, realm: RealmId, slots: Sequence[int]) -> None:
        mine = (
            call_slots.c.environment == self._environment.value,
            call_slots.c.slot.in_(slots),
            call_slots.c.realm_id == realm,
            failing(),
        )
        with self._database.read() as connection:
            if connection.execute(select(call_slots.c.slot).where(*mine).limit(1)).first() is None:
                return
        name = f"calls:{self._environment.value}:{realm}"
        with self._database.write(name, durable=False) as connection:
            connection.execute(delete(call_slots).where(*mine))

    def _update(
        self, realm: RealmId, *only: ColumnElement[bool], durable: bool, **values: object
    ) -> None:
        statement = update(companies).where(self._mine, companies.c.realm_id == realm, *only)
        with self._database.write(f"company:{realm}", durable=durable) as connection:
            connection.execute(statement.values(**values))


def _failed(error: Failure | str | None) -> dict[str, object]:
    """The columns of what failed, all of them, so that none is left of an earlier failure."""
    failure = Failure(error) if isinstance(error, str) else error
    return {
        "last_error": None if failure is None else failure.text[:_ERROR_LIMIT],
        "error_kind": None if failure is None else failure.kind,
        "error_name": None if failure is None else failure.name or None,
        "error_at": None,
    }


_CONNECTED = companies.c.status == ConnectionStatus.CONNECTED.value
NO_ERROR = _failed(None)
"""The columns of a company whose last call worked."""


def _company(row: RowMapping) -> Company:
    return Company(
        realm_id=RealmId(row["realm_id"]),
        environment=Environment(row["environment"]),
        name=row["name"],
        status=ConnectionStatus(row["status"]),
        connected_at=row["connected_at"],
        last_success_at=row["last_success_at"],
        last_error=row["last_error"],
        response_time_ms=row["response_time_ms"],
        error_kind=None if row["error_kind"] is None else FailureKind(row["error_kind"]),
        error_name=row["error_name"] or "",
        error_at=row["error_at"],
    )
