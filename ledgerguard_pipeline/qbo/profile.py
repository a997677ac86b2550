"""Who a company is, and whether its connection works."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec

from ledgerguard_pipeline.values import RealmId, Record


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


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """Whether calls for a company work right now. Times in milliseconds and seconds."""

    is_connected: bool
    realm_id: str | None
    environment: str
    company_name: str | None = None
    response_time_ms: float | None = None
    access_token_seconds_left: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)
