"""Who a company is, and whether its connection works."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ledgerguard_pipeline.qbo.oauth.token_source import Expiries
from ledgerguard_pipeline.result import Result, iso
from ledgerguard_pipeline.values import Environment, RealmId, Record

NO_COMPANY = (
    "No company is chosen: set client.realm_id, or pass realm_id to exchange_code or set_tokens."
)


@dataclass(frozen=True, slots=True)
class CompanyProfile:
    """A company by name; ``record`` is its CompanyInfo as sent."""

    realm_id: RealmId
    name: str
    country: str | None
    record: Record

    @classmethod
    def of(cls, realm: RealmId, record: Record) -> CompanyProfile:
        """Read the names out of a CompanyInfo; a company without any goes by its realm."""
        fields = msgspec.json.decode(record.payload or b"{}", type=dict[str, object])
        texts = {key: value for key, value in fields.items() if isinstance(value, str)}
        name = texts.get("CompanyName") or texts.get("LegalName") or str(realm)
        return cls(realm, name, texts.get("Country"), record)


class ConnectionReport(Result):
    """Whether calls for a company work right now. Times in milliseconds and seconds."""

    __slots__ = ()

    is_connected: bool
    realm_id: str | None
    environment: str
    company_name: str | None
    response_time_ms: float | None
    access_token_seconds_left: float | None
    access_token_expiry: str | None
    """ISO 8601, UTC; like the next one None where it is not known."""
    refresh_token_expiry: str | None
    error: str | None
    """Why it is not connected, and what to do."""

    @classmethod
    def of(
        cls,
        realm: RealmId | None,
        environment: Environment,
        *,
        company_name: str | None = None,
        response_time_ms: float | None = None,
        expiries: Expiries | None = None,
        seconds_left: float | None = None,
        error: str | None = None,
    ) -> ConnectionReport:
        """Put together what is known."""
        ends = expiries or Expiries()
        return cls(
            is_connected=error is None,
            realm_id=realm,
            environment=environment.value,
            company_name=company_name,
            response_time_ms=response_time_ms,
            access_token_seconds_left=seconds_left,
            access_token_expiry=iso(ends.access),
            refresh_token_expiry=iso(ends.refresh),
            error=error,
        )

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return self.as_dict()
