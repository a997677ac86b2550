"""Books that were made minutes ago are copied, and an edit of one copy is seen in no other."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.serve.server_process import build_companies


def test_an_edit_of_one_copy_is_in_no_other() -> None:
    first, second, untouched = (
        build_companies(1, seed=7, invoices=20, varied=True)[0] for _ in range(3)
    )
    before = {entity: dict(table.rows) for entity, table in untouched.tables.items() if table.rows}
    at = max(row.updated for table in first.tables.values() for row in table.rows.values())
    for entity in ("Invoice", "Customer", "Payment", "Bill"):
        for kind in ("create", "update", "delete" if entity != "Customer" else "deactivate"):
            edit(first, kind, entity, None, at)
    for other in (second, untouched, build_companies(1, seed=7, invoices=20, varied=True)[0]):
        assert {e: dict(t.rows) for e, t in other.tables.items() if t.rows} == before
        assert other.ledger.accounts == second.ledger.accounts != first.ledger.accounts
        assert other.edits == 0
