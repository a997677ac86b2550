"""Which objects name a member of a list, however the reference is called and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.read.naming import naming
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at

QUOTED = json.dumps({"CustomerRef": {"name": 'A "} {"value":"5"} \\', "value": "6"}})


@pytest.mark.parametrize(
    "kind, entity, payload, names",
    [
        ("PurchaseOrder", "Customer", {"ShipTo": {"value": "5", "name": "Ann"}}, True),
        ("Preferences", "Term", {"SalesFormsPrefs": {"DefaultTerms": {"value": "5"}}}, True),
        ("Invoice", "Customer", {"CustomerRef": {"name": "A {B}", "value": "5"}}, True),
        ("Invoice", "Customer", {"CustomerRef": {"name": 'A "B" \\', "value": "5"}}, True),
        ("Payment", "Account", {"DepositToAccountRef": {"value": "5"}}, True),
        ("Purchase", "Vendor", {"EntityRef": {"type": "Vendor", "value": "5"}}, True),
        ("Invoice", "Customer", QUOTED, False),
        ("Invoice", "Customer", {"CustomerRef": {"name": "Ann"}, "ClassRef": {"value": "5"}}, False),
        ("Invoice", "Customer", {"CustomerRef": {"value": "55"}}, False),
        ("PurchaseOrder", "Vendor", {"ShipTo": {"value": "5"}}, False),
    ],
)  # fmt: skip
def test_what_names_a_member_is_found_and_nothing_else(
    kind: str, entity: str, payload: object, names: bool, tmp_path: Path
) -> None:
    books = Books(store_at(tmp_path / "quickbooks.duckdb"))
    books.write(kind, {"1": payload})
    with books.store.workspace.read() as view:
        assert view is not None
        found = naming(view.connection, view.present, REALM, entity_type(entity), ["5", "7"])
    assert found == ({entity_type(kind): ["1"]} if names else {})
