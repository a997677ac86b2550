"""What a table of Bronze holds for one company: figures for checks, a sample for eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledgerguard_pipeline.entities import DerivedEntity, EntityType
from ledgerguard_pipeline.values import RealmId

SAMPLE_ROWS = 5


class Reader(Protocol):
    """The read-only side of the store."""

    def sql(
        self, statement: str, limit: int | None = None
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Columns and rows of a statement."""
        ...


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One current row, newest first in its sample."""

    id: str
    state: str
    last_updated_at: str | None
    payload: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """Rows of one entity and company in the current view, and how many wait in quarantine."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    sample: tuple[SampleRow, ...] = ()


def audit(
    store: Reader, realm_id: RealmId, entities: Sequence[EntityType | DerivedEntity]
) -> dict[str, Audit]:
    """Audit several entities of one company in one read; keys are entity names.

    ``realm_id`` is decimal digits by its type and tables come from the registry, so neither can
    carry SQL.
    """
    if not entities:
        return {}
    _, counts = store.sql(
        " UNION ALL ".join(
            f"SELECT '{entity.name}', count(*), count(*) - count(DISTINCT id) "
            f"FROM bronze.\"{entity.table}_current\" WHERE realm_id = '{realm_id}'"
            for entity in entities
        )
    )
    _, quarantined = store.sql(
        "SELECT entity, count(*) FROM bronze._quarantine "
        f"WHERE realm_id = '{realm_id}' GROUP BY entity"
    )
    _, samples = store.sql(
        " UNION ALL ".join(
            f"(SELECT '{entity.name}', id, state, last_updated_at::VARCHAR, payload "
            f"FROM bronze.\"{entity.table}_current\" WHERE realm_id = '{realm_id}' "
            f"ORDER BY last_updated_at DESC NULLS LAST, id LIMIT {SAMPLE_ROWS})"
            for entity in entities
        )
    )
    waiting = {str(name): int(str(count)) for name, count in quarantined}
    rows: dict[str, list[SampleRow]] = {}
    for name, identity, state, updated, payload in samples:
        rows.setdefault(str(name), []).append(
            SampleRow(
                str(identity),
                str(state),
                None if updated is None else str(updated),
                None if payload is None else str(payload),
            )
        )
    return {
        str(name): Audit(
            stored=int(str(stored)),
            duplicates=int(str(duplicates)),
            quarantined=waiting.get(str(name), 0),
            sample=tuple(rows.get(str(name), ())),
        )
        for name, stored, duplicates in counts
    }
