"""The ten queries of docs/cookbook.md, taken from it, give what the sandbox's books say."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.hygiene.project import ROOT
from ledgerguard_pipeline_tests.ingestion.company_books import sync

REALM = "123146096291789"
QUERIES = re.findall(
    r"^```sql\n(.*?)^```",
    (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
FORMS = (("Invoice", 1), ("SalesReceipt", 1), ("CreditMemo", -1), ("RefundReceipt", -1))
NEEDED = (
    *(name for name, _ in FORMS),
    *("Bill", "VendorCredit", "Purchase", "Payment", "BillPayment", "TimeActivity", "TaxRate"),
    *("Customer", "Account", "Item"),
)
BILLABLE = (
    b'{"Id":"90004","SyncToken":"0","VendorRef":{"value":"1"},"TxnDate":"2026-02-01","TotalAmt":33.1,'
    b'"Balance":0,"Line":[{"Amount":33.1,"DetailType":"AccountBasedExpenseLineDetail",'
    b'"AccountBasedExpenseLineDetail":{"BillableStatus":"Billable","CustomerRef":{"value":"1",'
    b'"name":"Ann"}}}]}'
)
Documents = dict[str, list[dict[str, Any]]]
Found = list[list[tuple[Any, ...]]]


def tax_form(id: str, amount: str, tax: str, currency: str = "USD") -> bytes:
    line = f'{{"Amount":{amount},"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{{}}}}'
    detail = f'"TaxLineDetail":{{"TaxRateRef":{{"value":"3"}},"NetAmountTaxable":{amount}}}'
    return (
        f'{{"Id":"{id}","SyncToken":"0","CustomerRef":{{"value":"1","name":"Ann"}},'
        f'"CurrencyRef":{{"value":"{currency}"}},'
        f'"TxnDate":"2026-02-01","TotalAmt":{amount},"Balance":0,"Line":[{line}],'
        f'"TxnTaxDetail":{{"TotalTax":{tax},"TaxLine":[{{"Amount":{tax},{detail}}}]}}}}'
    ).encode()


def put(company: SandboxCompany, entity: str, body: bytes, *, active: bool = True) -> None:
    table = company.tables[entity]
    model = next(iter(table.rows.values()))
    id = json.loads(body)["Id"]
    meta = b'"MetaData":{"CreateTime":"2026-02-01T10:00:00-08:00","LastUpdatedTime":"%s"},"Id":'
    text = body.replace(b'"Id":', meta % yesterday().encode(), 1)
    table.put(Row(id, model.created, int(time.time()) - 86400, 0, active=active, body=text))


def yesterday() -> str:
    moment = datetime.now(UTC) - timedelta(days=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Documents, Found]]:
    """The books as they are, and what each query of the document says of them."""
    company = build_company(realm_id=REALM, seed=5, invoices=12, name="Acme")
    put(company, "Invoice", tax_form("90001", "100.00", "8.00"))
    put(company, "CreditMemo", tax_form("90002", "10.00", "0.80"))
    put(company, "Invoice", tax_form("90003", "50.00", "4.00", "EUR"))
    put(company, "Bill", BILLABLE)
    with SandboxServer([company], switches=Switches(limits=False)) as server:
        settings = load_settings(
            ledgerguard_home=tmp_path_factory.mktemp("home"),
            intuit_base_url=server.base_url,
            intuit_client_id=server.client_id,
            intuit_client_secret=server.client_secret,
        )
        with Installation.open(settings) as installation:
            connect(installation, server)
            sync(installation, [entity_type(name) for name in NEEDED])
            books = {
                name: [
                    json.loads(body, parse_float=Decimal, parse_int=Decimal)
                    for body in server.truth(name).bodies().values()
                ]
                for name in NEEDED
            }
            yield books, [installation.bronze.sql(query).rows for query in QUERIES]


def sold(books: Documents) -> list[tuple[dict[str, Any], dict[str, Any], Decimal]]:
    """Form, line and signed amount, from the JSON alone."""
    return [
        (form, line, sign * line["Amount"])
        for entity, sign in FORMS
        for form in books[entity]
        for line in form["Line"]
        if line["DetailType"] == "SalesItemLineDetail"
    ]


def test_there_are_ten_and_each_finds_something(answers: tuple[Documents, Found]) -> None:
    _, found = answers
    assert len(found) == 10
    assert not any(isinstance(cell, float) for rows in found for row in rows for cell in row)
    assert [number for number, rows in enumerate(found, 1) if not rows] == []


def test_receivables_add_up_to_the_open_balances(answers: tuple[Documents, Found]) -> None:
    books, found = answers
    owed = sum(form["Balance"] for form in books["Invoice"])
    owed -= sum(
        form["RemainingCredit"] for form in books["CreditMemo"] if "RemainingCredit" in form
    )
    owed -= sum(form["UnappliedAmt"] for form in books["Payment"])
    assert sum(row[3] for row in found[0]) == owed
    assert {row[1] for row in found[0]} <= {"current", "1-30", "31-60", "61-90", "over 90"}


def test_bills_due_are_those_that_are_open_until_then(answers: tuple[Documents, Found]) -> None:
    books, found = answers
    last = (datetime.now(UTC).date() + timedelta(days=7)).isoformat()
    due = [
        bill
        for bill in books["Bill"]
        if bill["Balance"] and str(bill.get("DueDate", "9999")) <= last
    ]
    assert due
    assert sorted(str(row[2]) for row in found[1]) == sorted(str(b.get("DocNumber")) for b in due)
    assert found[1][-1][-1] == sum(bill["Balance"] for bill in due)


def test_days_until_customers_pay_are_weighted_by_what_they_paid(
    answers: tuple[Documents, Found],
) -> None:
    books, found = answers
    invoices = {form["Id"]: form for form in books["Invoice"]}
    paid: dict[str, Decimal] = defaultdict(Decimal)
    waited: dict[str, Decimal] = defaultdict(Decimal)
    for payment in books["Payment"]:
        for line in payment["Line"]:
            (link,) = line["LinkedTxn"]
            if link["TxnType"] == "Invoice":
                form = invoices[link["TxnId"]]
                days = date.fromisoformat(payment["TxnDate"]) - date.fromisoformat(form["TxnDate"])
                customer = form["CustomerRef"]["value"]
                paid[customer] += line["Amount"]
                waited[customer] += line["Amount"] * days.days
    assert paid
    assert {row[1]: row[4] for row in found[8]} == paid
    for row in found[8]:
        assert abs(row[5] - waited[row[1]] / paid[row[1]]) <= Decimal("0.05")


def test_spending_and_revenue_are_the_sums_of_the_lines(answers: tuple[Documents, Found]) -> None:
    books, found = answers
    spent = sum(line["Amount"] for bill in books["Bill"] for line in bill["Line"])
    spent -= sum(line["Amount"] for credit in books["VendorCredit"] for line in credit["Line"])
    for purchase in books["Purchase"]:
        if purchase.get("EntityRef", {}).get("type") == "Vendor":
            sign = -1 if purchase.get("Credit") else 1
            spent += sign * sum(line["Amount"] for line in purchase["Line"])
    assert sum(row[3] for row in found[2]) == spent
    by_customer: dict[str, Decimal] = defaultdict(Decimal)
    for form, _, amount in sold(books):
        by_customer[form["CustomerRef"]["value"]] += amount
    # Voided forms are in the books with lines of nothing, and in no view.
    assert {row[1]: row[3] for row in found[4] if row[3]} == {
        id: amount for id, amount in by_customer.items() if amount
    }
    assert sum(row[4] for row in found[3]) == sum(by_customer.values())


def test_unbilled_time_and_expenses_are_those_marked_billable(
    answers: tuple[Documents, Found],
) -> None:
    books, found = answers
    minutes = sum(
        each.get("Hours", 0) * 60 + each.get("Minutes", 0)
        for each in books["TimeActivity"]
        if each.get("BillableStatus") == "Billable"
    )
    assert sum(row[3] for row in found[5]) == minutes
    assert [row[:3] for row in found[6]] == [(REALM, "Ann", "Bill")]
    assert found[6][0][6] == Decimal("33.1")


def test_tax_and_changes_are_as_made_up(answers: tuple[Documents, Found]) -> None:
    _, found = answers
    # 100.00 at 8 % invoiced, 10.00 of it credited; amounts in euros are not added to it.
    assert [(*row[1:3], *row[4:]) for row in found[7]] == [
        ("USD", "3", Decimal(90), Decimal("7.2")),
        ("EUR", "3", Decimal(50), Decimal(4)),
    ]
    (changed,) = [row for row in found[9] if row[1] == "90001"]
    assert changed[3:] == (None, "active", None, Decimal(100), None, Decimal(0))
