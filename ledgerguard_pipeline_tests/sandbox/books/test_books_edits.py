"""Edits change the books as a user would, and the books stay sound."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.ground_truth import truth
from ledgerguard_pipeline.sandbox.edits.edits import KINDS, Edit, EditRefused, edit
from ledgerguard_pipeline.sandbox.entity_types import TYPES
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW, assert_coherent, the

AT = NOW + 60


@pytest.fixture
def company() -> SandboxCompany:
    return build_company(invoices=60, now=NOW)


def ops(done: Edit) -> set[tuple[str, str]]:
    return {(change.entity, change.op) for change in done.changes}


def fails_to(
    company: SandboxCompany,
    kind: str,
    entity: str,
    amount: str | None = None,
    loser: str | None = None,
) -> bool:
    """Whether the edit is refused; then the books must be as before."""
    before = truth(company)
    try:
        edit(company, kind, entity, None, AT, amount=amount, loser=loser)
    except EditRefused:
        assert truth(company) == before
        return True
    return False


def test_any_type_can_be_updated_and_moves_token_and_time(company: SandboxCompany) -> None:
    for entity in (name for name, it in TYPES.items() if not it.rare):
        table = company.tables[entity]
        id = next(iter(table.rows))
        before, body = table.rows[id], table.body(table.rows[id])
        done = edit(company, "update", entity, id, AT)
        assert done.changes[0].id == id
        after = table.rows[id]
        assert (after.sync_token, after.updated) == (before.sync_token + 1, AT), entity
        assert after.created == before.created
        assert table.body(after) != body, entity
    assert_coherent(company)


def test_any_type_but_singletons_can_be_created(company: SandboxCompany) -> None:
    for entity in (name for name, it in TYPES.items() if it.kind != "singleton" and not it.rare):
        known = set(company.tables[entity].rows) | set(company.tables[entity].graves)
        done = edit(company, "create", entity, None, AT)
        assert done.id is not None
        assert done.id not in known, entity
        assert company.tables[entity].rows[done.id].created == AT
    assert_coherent(company)


def test_deleting_leaves_a_grave_and_sound_books(company: SandboxCompany) -> None:
    for entity in (name for name, it in TYPES.items() if it.deletable and not it.rare):
        done = edit(company, "delete", entity, None, AT)
        assert done.id not in company.tables[entity].rows
        assert company.tables[entity].graves[str(done.id)].updated == AT, entity
    assert_coherent(company)


@pytest.mark.parametrize("entity", [name for name, it in TYPES.items() if it.voidable])
def test_voiding_keeps_the_document_with_zero_amounts(company: SandboxCompany, entity: str) -> None:
    done = edit(company, "void", entity, None, AT)
    doc = the(company, entity, str(done.id))
    assert Decimal(doc["Amount" if entity == "Transfer" else "TotalAmt"]) == 0
    assert doc["PrivateNote"].startswith("Voided")
    assert (entity, "Void") in ops(done)
    assert_coherent(company)


@pytest.mark.parametrize("entity", [name for name, it in TYPES.items() if it.soft_delete])
def test_deactivating_changes_the_name_and_reactivating_restores_it(
    company: SandboxCompany, entity: str
) -> None:
    id = next(row.id for row in company.tables[entity].rows.values() if row.active)
    name = the(company, entity, id).get("DisplayName") or the(company, entity, id)["Name"]
    edit(company, "deactivate", entity, id, AT)
    doc = the(company, entity, id)
    assert (doc.get("DisplayName") or doc["Name"]) == f"{name} (deleted)"
    assert not company.tables[entity].rows[id].active
    assert edit(company, "delete", entity, id, AT).changes == ()
    edit(company, "reactivate", entity, id, AT)
    doc = the(company, entity, id)
    assert (doc.get("DisplayName") or doc["Name"]) == name
    assert_coherent(company)


def test_a_payment_bumps_its_invoice_and_touches_accounts_and_customer(
    company: SandboxCompany,
) -> None:
    invoice = next(
        row
        for row in company.tables["Invoice"].rows.values()
        if Decimal(the(company, "Invoice", row.id)["Balance"]) > 10
    )
    owed = Decimal(the(company, "Invoice", invoice.id)["Balance"])
    undeposited = company.tables["Account"].rows[company.chart.undeposited]
    done = edit(company, "create", "Payment", None, AT, pays=invoice.id, amount="1.10")
    assert ops(done) == {
        ("Payment", "Create"), ("Invoice", "Update"), ("Account", "Touch"),
        ("Customer", "Touch"),
    }  # fmt: skip
    doc = the(company, "Invoice", invoice.id)
    assert Decimal(doc["Balance"]) == owed - Decimal("1.10")
    assert doc["LinkedTxn"][-1] == {"TxnId": done.id, "TxnType": "Payment"}
    assert company.tables["Invoice"].rows[invoice.id].sync_token == invoice.sync_token + 1
    touched = company.tables["Account"].rows[company.chart.undeposited]
    assert (touched.sync_token, touched.updated) == (undeposited.sync_token, AT)
    assert_coherent(company)


def test_deleting_a_payment_opens_its_invoices_again(company: SandboxCompany) -> None:
    payment = next(
        id for id in company.tables["Payment"].rows if the(company, "Payment", id)["Line"]
    )
    lines = the(company, "Payment", payment)["Line"]
    edit(company, "delete", "Payment", payment, AT)
    for line in lines:
        doc = the(company, "Invoice", line["LinkedTxn"][0]["TxnId"])
        assert doc["LinkedTxn"] == []
        assert Decimal(doc["Balance"]) >= Decimal(line["Amount"])
    assert_coherent(company)


def test_an_amount_is_written_as_given_and_moves_the_balances(company: SandboxCompany) -> None:
    before = company.ledger.balance(company.chart.checking)
    transfer = next(iter(company.tables["Transfer"].rows))
    done = edit(company, "update", "Transfer", transfer, AT, amount="0.30000000000000004")
    body = company.tables["Transfer"].body(company.tables["Transfer"].rows[transfer])
    assert b'"Amount":0.30000000000000004,' in body
    assert ("Account", "Touch") in ops(done)
    assert company.ledger.balance(company.chart.checking) != before
    for entity in ("Invoice", "Bill", "Purchase", "SalesReceipt", "CreditMemo"):
        made = edit(company, "create", entity, None, AT)
        edit(company, "update", entity, made.id, AT, amount="1E+2")
    assert_coherent(company)


def test_sending_a_document_moves_its_time_and_no_token(company: SandboxCompany) -> None:
    row = next(iter(company.tables["Estimate"].rows.values()))
    edit(company, "email", "Estimate", row.id, AT)
    after = company.tables["Estimate"].rows[row.id]
    assert (after.sync_token, after.updated) == (row.sync_token, AT)
    assert the(company, "Estimate", row.id)["EmailStatus"] == "EmailSent"


def test_a_touched_balance_moves_only_the_time(company: SandboxCompany) -> None:
    id = company.chart.checking
    row, doc = company.tables["Account"].rows[id], the(company, "Account", id)
    done = edit(company, "touch_balance", "Account", id, AT)
    assert ops(done) == {("Account", "Touch")}
    after = the(company, "Account", id)
    assert after.pop("MetaData") != doc.pop("MetaData")
    assert after == doc
    assert company.tables["Account"].rows[id].sync_token == row.sync_token


@pytest.mark.parametrize("entity", [name for name, it in TYPES.items() if it.mergeable])
def test_a_merge_repoints_what_named_the_loser(company: SandboxCompany, entity: str) -> None:
    table = company.tables[entity]
    pinned = company.pinned.get(entity, frozenset())
    free = [
        (id, doc.get("AccountType"), doc.get("Type"))
        for id, doc in ((id, the(company, entity, id)) for id in table.rows)
        if doc.get("Active") and id not in pinned
        and not company.chart.descendants(entity, id)
        and doc.get("AccountType") in (None, "Expense") and doc.get("Type") in (None, "Inventory")
    ]  # fmt: skip
    survivor, loser = free[0][0], free[1][0]
    done = edit(company, "merge", entity, survivor, AT, loser=loser)
    merge = next(change for change in done.changes if change.op == "Merge")
    assert (merge.id, merge.deleted_id) == (survivor, loser)
    assert loser not in table.rows
    assert loser in table.graves
    assert_coherent(company)


def test_merged_customers_take_their_rendered_invoices_along(company: SandboxCompany) -> None:
    customer = the(company, "Invoice", next(iter(company.tables["Invoice"].rows)))["CustomerRef"]
    assert not company.chart.descendants("Customer", customer["value"])
    other = next(
        id for id in company.tables["Customer"].rows
        if id != customer["value"] and company.tables["Customer"].rows[id].active
    )  # fmt: skip
    edit(company, "merge", "Customer", other, AT, loser=customer["value"])
    for id in company.tables["Invoice"].rows:
        assert the(company, "Invoice", id)["CustomerRef"]["value"] != customer["value"]
    assert_coherent(company)


def test_what_quickbooks_would_not_do_is_refused_and_changes_nothing(
    company: SandboxCompany,
) -> None:
    assert fails_to(company, "void", "Estimate")
    assert fails_to(company, "delete", "TaxAgency")
    assert fails_to(company, "create", "CompanyInfo")
    assert fails_to(company, "deactivate", "Invoice")
    assert fails_to(company, "touch_balance", "Item")
    assert fails_to(company, "merge", "Customer")
    assert fails_to(company, "merge", "Term", loser="1")
    assert fails_to(company, "update", "Purchase", amount="NaN")
    assert fails_to(company, "create", "Payment", amount="99999999999999.99")
    with pytest.raises(LookupError):
        edit(company, "update", "Invoice", "424242", AT)
    with pytest.raises(LookupError):
        edit(company, "update", "Spaceship", None, AT)
    with pytest.raises(ValueError, match="no kind of edit"):
        edit(company, "explode", "Invoice", None, AT)


def test_times_never_go_back_and_every_edit_moves_the_table_version(
    company: SandboxCompany,
) -> None:
    table = company.tables["Invoice"]
    id = next(iter(table.rows))
    edit(company, "update", "Invoice", id, AT)
    version = table.version
    edit(company, "update", "Invoice", id, AT - 1_000)
    assert table.rows[id].updated == AT
    assert table.rows[id].sync_token >= 2
    assert table.version > version


def test_bursts_are_as_many_edits_as_asked_for_and_repeatable() -> None:
    books = []
    for _ in range(2):
        company = build_company(invoices=60, now=NOW)
        done = edit(company, "burst", "*", None, AT, n=120, seed=3)
        assert len(done.changes) >= 120
        assert_coherent(company)
        books.append((done, truth(company)))
    assert books[0] == books[1]


def test_a_company_without_invoices_can_get_its_first() -> None:
    company = build_company(invoices=0, now=NOW)
    for _ in range(3):
        edit(company, "create", "Invoice", None, AT)
        edit(company, "create", "Payment", None, AT)
    assert len(company.tables["Invoice"].rows) == 3
    assert_coherent(company)


class BooksUnderEdit(RuleBasedStateMachine):
    """Any sequence of edits leaves sound books and says every change it made."""

    def __init__(self) -> None:
        super().__init__()
        self.company = build_company(invoices=15, now=NOW)
        self.at = NOW

    def teardown(self) -> None:
        assert_coherent(self.company)

    @rule(
        kind=st.sampled_from([kind for kind in KINDS if kind not in ("merge", "burst")]),
        entity=st.sampled_from(list(TYPES)),
        seed=st.integers(0, 20),
    )
    def change(self, kind: str, entity: str, seed: int) -> None:
        self.at += 1
        before = truth(self.company)
        try:
            done = edit(self.company, kind, entity, None, self.at, seed=seed)
        except (EditRefused, LookupError):
            assert truth(self.company) == before
            return
        after = truth(self.company)
        differing = {
            (name, id)
            for name in after
            for id in after[name].rows.keys() | before[name].rows.keys()
            if after[name].rows.get(id) != before[name].rows.get(id)
        }
        reported = {(change.entity, change.id) for change in done.changes}
        # Documents show a new name and tell no change.
        assert differing >= reported if kind == "rename" else differing == reported


TestBooksUnderEdit = BooksUnderEdit.TestCase
TestBooksUnderEdit.settings = settings(
    max_examples=5,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
