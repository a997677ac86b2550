"""Many companies are there at once, small and coherent, and what happens in one stays in it."""

from __future__ import annotations

import pytest
import requests

from ledgerguard_pipeline.sandbox.books.ground_truth import truth
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.serve.server_process import (
    OWN_BOOKS,
    SandboxServer,
    build_companies,
)

COUNT = OWN_BOOKS + 2


def test_few_companies_have_books_of_their_own() -> None:
    first, second = build_companies(2, seed=1, invoices=3)
    assert truth(first)["Bill"] != truth(second)["Bill"]


def test_many_companies_have_few_objects_and_balanced_ledgers() -> None:
    companies = build_companies(COUNT, seed=1, invoices=5)
    assert len({company.realm_id for company in companies}) == COUNT
    for company in companies:
        assert sum(len(table.rows) for table in company.tables.values()) < 600
        assert len(company.tables["Invoice"].rows) == 5
        assert all(company.tables.values()), "every type is there"
        assert company.ledger.trial_balance() == 0
        (info,) = truth(company)["CompanyInfo"].rows.values()
        assert f'"CompanyName":"{company.name}"'.encode() in info


@pytest.mark.parametrize("kind", ["update", "delete", "create", "void"])
def test_an_edit_of_one_company_changes_no_other(kind: str) -> None:
    first, second, *_ = build_companies(COUNT, seed=1, invoices=5)
    before = truth(second)
    entity = "Invoice"
    at = max(row.updated for row in first.tables[entity].rows.values()) + 60
    like = next(iter(first.tables[entity].rows)) if kind == "create" else None
    edit(first, kind, entity, None, at, like=like)
    assert truth(first) != before
    assert truth(second) == before
    assert second.ledger.trial_balance() == first.ledger.trial_balance() == 0


def test_issued_tokens_open_their_own_company_only() -> None:
    with SandboxServer(build_companies(COUNT, seed=1, invoices=2)) as sandbox:
        issued = sandbox.issue_tokens()
        assert [each.realm for each in issued] == sandbox.realms
        assert len({each.access_token for each in issued}) == COUNT
        (again,) = sandbox.issue_tokens([sandbox.realms[3]])
        assert again.realm == sandbox.realms[3]
        with pytest.raises((LookupError, ValueError)):
            sandbox.issue_tokens(["1"])
        own, other = sandbox.realms[3], sandbox.realms[4]
        answers = [
            requests.get(
                f"{sandbox.base_url}/v3/company/{realm}/companyinfo/{realm}",
                headers={"Authorization": f"Bearer {again.access_token}"},
                timeout=10,
            ).status_code
            for realm in (own, other)
        ]
        assert answers[0] == 200
        assert answers[1] != 200
