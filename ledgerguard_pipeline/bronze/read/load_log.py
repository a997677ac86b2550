"""What the loads of all companies came to, and how far they got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledgerguard_pipeline.bronze.loads import Answer
from ledgerguard_pipeline.values import RealmId, parse_realm

_OUTCOMES = ("written", "deleted", "unchanged", "stale", "quarantined")
_TOTALS = (
    "SELECT realm_id, entity, "
    + ", ".join(f"sum({name})::BIGINT" for name in _OUTCOMES)
    + " FROM bronze._loads GROUP BY realm_id, entity ORDER BY realm_id, entity"
)
_NEWEST = "SELECT realm_id, entity, max(watermark) FROM bronze._watermarks GROUP BY ALL"
_LOADED = "SELECT DISTINCT realm_id FROM bronze._loads ORDER BY 1"
_REACHED = "SELECT DISTINCT realm_id FROM bronze._watermarks ORDER BY 1"


class Asked(Protocol):
    """A Bronze store that answers SQL."""

    def sql(self, statement: str) -> Answer:
        """The rows of one reading statement."""
        ...


@dataclass(frozen=True, slots=True)
class LoadTotals:
    """Rows of one entity type of a company over all its loads, by what became of them."""

    realm_id: str
    entity: str
    rows: dict[str, int]


def load_totals(store: Asked) -> list[LoadTotals]:
    """By company and entity type, in that order."""
    return [
        LoadTotals(
            str(realm),
            str(entity),
            {name: int(str(count)) for name, count in zip(_OUTCOMES, counts, strict=True)},
        )
        for realm, entity, *counts in store.sql(_TOTALS).rows
    ]


def loaded_companies(store: Asked) -> list[RealmId]:
    """Those of which a load brought something."""
    return _realms(store, _LOADED)


def reached_companies(store: Asked) -> list[RealmId]:
    """Those of which an entity type was brought up to date at least once."""
    return _realms(store, _REACHED)


def newest_watermarks(store: Asked) -> dict[str, dict[str, datetime]]:
    """By company and entity name."""
    found: dict[str, dict[str, datetime]] = {}
    for realm, entity, watermark in store.sql(_NEWEST).rows:
        if isinstance(watermark, datetime):
            found.setdefault(str(realm), {})[str(entity)] = watermark
    return found


def _realms(store: Asked, statement: str) -> list[RealmId]:
    return [parse_realm(str(row[0])) for row in store.sql(statement).rows]
