"""Renaming a customer changes the name inside its invoices, whose time and token stay.

Changes never show it; a walk stores the new bytes, counts them apart and lost no update.
"""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    stored,
    sync,
)

KEPT = entity_types(["Customer", "Invoice", "Estimate"])
DOCUMENTS = entity_types(["Invoice", "Estimate"])
INVOICE = entity_type("Invoice")


@pytest.fixture
def renamed(connected: Installation, sandbox: SandboxServer) -> dict[str, int]:
    """How many documents of each type name the customer that was renamed."""
    assert failures(sync(connected, KEPT)) == {}
    held = {name.name: stored(connected, name, realm_of(sandbox)) for name in DOCUMENTS}
    customer = next(
        id
        for id in sorted(sandbox.truth("Customer").rows)
        if any(
            f'"CustomerRef":{{"value":"{id}"'.encode() in body for body in held["Invoice"].values()
        )
        and b'"ParentRef"' not in sandbox.truth("Customer").bodies()[id]
        and b'"Job":false' in sandbox.truth("Customer").bodies()[id]
    )
    sync_state = f'"CustomerRef":{{"value":"{customer}"'.encode()
    sandbox.edit("rename", "Customer", customer, note="Amy & Daughters")
    return {
        name: sum(sync_state in body for body in bodies.values()) for name, bodies in held.items()
    }


def test_a_walk_stores_new_names_and_counts_them_apart(
    connected: Installation, sandbox: SandboxServer, renamed: dict[str, int]
) -> None:
    assert renamed["Invoice"] > 0
    result = sync(connected, KEPT)
    assert failures(result) == {}
    changed = {each.entity: (each.written, each.updated, each.renamed) for each in result.results}
    assert changed == {"Customer": (1, 1, 0), "Invoice": (0, 0, 0), "Estimate": (0, 0, 0)}
    assert len(differing(connected, sandbox, [INVOICE])["Invoice"]) == renamed["Invoice"]

    result = sync(connected, KEPT, full=True)
    changed = {each.entity: (each.written, each.updated, each.renamed) for each in result.results}
    assert changed == {"Customer": (0, 0, 0)} | {
        name: (count, 0, count) for name, count in renamed.items()
    }
    assert differing(connected, sandbox, KEPT) == {}
    assert sum(each.renamed for each in sync(connected, KEPT, full=True).results) == 0
    assert all(each.sound for each in connected.bronze.healing(realm_of(sandbox)).flaws())
