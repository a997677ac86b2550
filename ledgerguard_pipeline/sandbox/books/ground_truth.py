"""The books as they are, for comparison with what a reader has stored."""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany


@dataclass(frozen=True, slots=True)
class EntityTruth:
    """One entity type: exact bytes of live objects by id, and when the gone ones went."""

    rows: dict[str, bytes]
    graves: dict[str, int]


def truth(company: SandboxCompany) -> dict[str, EntityTruth]:
    """Everything, by Intuit's entity name. Renders every row: for small companies."""
    return {entity: truth_of(company, entity) for entity in company.tables}


def truth_of(company: SandboxCompany, entity: str) -> EntityTruth:
    """One entity type, read at one moment."""
    with company.lock:
        table = company.tables[entity]
        return EntityTruth(
            {row.id: table.body(row) for row in table.rows.values()},
            {grave.id: grave.updated for grave in table.graves.values()},
        )
