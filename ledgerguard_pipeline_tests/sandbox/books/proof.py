"""Proving a sandbox company's books from its bodies alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.header import DAY_DATED
from ledgerguard_pipeline.sandbox.books.json_text import Doc, load
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Ledger, minus, plus, total
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time
from ledgerguard_pipeline.sandbox.books.postings import postings

NOW = 1_795_300_000
_LINKED = {
    "Payment": "Payment",
    "BillPaymentCheck": "BillPayment",
    "Deposit": "Deposit",
    "Invoice": "Invoice",
    "Bill": "Bill",
    "SalesReceipt": "SalesReceipt",
}


def every(company: SandboxCompany) -> Iterator[tuple[str, Row, Doc]]:
    """Every live object with its parsed body; number texts kept."""
    for entity, table in company.tables.items():
        for row in list(table.rows.values()):
            yield entity, row, load(table.body(row))


def the(company: SandboxCompany, entity: str, id: str) -> Doc:
    """One live object."""
    table = company.tables[entity]
    return load(table.body(table.rows[id]))


def assert_coherent(company: SandboxCompany) -> None:
    """Everything that has to hold in sound books, before and after any edit."""
    everything = list(every(company))
    ledger = Ledger()
    accounts: dict[str, Doc] = {}
    parties: dict[tuple[str, str], Doc] = {}
    for entity, row, doc in everything:
        ledger.post(postings(entity, doc, company.chart), row.updated)
        assert_header(entity, row, doc)
        if entity == "Account":
            accounts[row.id] = doc
        if entity in ("Customer", "Vendor"):
            parties[entity, row.id] = doc
    for key in company.stock.sales():
        assert key[1] in company.tables[key[0]].rows, f"{key} is gone, its cost is not"
        ledger.post(company.stock.costs(key), 0)
    for each in company.ledger_only:
        ledger.post(each.legs, 0)
    assert ledger.trial_balance() == 0
    for id, doc in accounts.items():
        assert Decimal(doc["CurrentBalance"]) == ledger.balance(id), f"Account {id}"
        below = company.chart.descendants("Account", id)
        family = total(ledger.balance(each) for each in [id, *below])
        assert Decimal(doc["CurrentBalanceWithSubAccounts"]) == family, f"Account {id}"
    assert set(ledger.accounts) <= set(accounts)
    for (entity, id), doc in parties.items():
        owed = ledger.parties.get((entity, id), NOTHING)
        assert Decimal(doc["Balance"]) == (owed if entity == "Customer" else -owed), (entity, id)
        if entity == "Customer":
            jobs = [id, *company.chart.descendants(entity, id)]
            with_jobs = total(ledger.parties.get((entity, each), NOTHING) for each in jobs)
            assert Decimal(doc["BalanceWithJobs"]) == with_jobs, id
    assert set(ledger.parties) <= set(parties)
    assert_linked(everything)


def assert_header(entity: str, row: Row, doc: Doc) -> None:
    """The row's own fields say what its body says."""
    if entity == "RecurringTransaction":
        assert len(doc) == 1
        (doc,) = doc.values()
    if entity != "ExchangeRate":
        assert isinstance(doc["Id"], str)
        assert doc["Id"] == row.id
        if entity in DAY_DATED:
            assert doc["MetaData"] == {"LastUpdatedTime": day_text(row.updated)}
            return
        assert doc["MetaData"]["CreateTime"] == write_time(row.created)
    if entity != "ExchangeRate" and row.id not in ("TAX", "NON"):
        assert doc["SyncToken"] == str(row.sync_token)
        assert doc["domain"] == "QBO"
        assert doc["sparse"] is False
    assert doc["MetaData"]["LastUpdatedTime"] == write_time(row.updated)
    assert row.created <= row.updated
    assert (doc.get("Active") is not False) == row.active or entity == "RecurringTransaction"


def assert_linked(everything: list[tuple[str, Row, Doc]]) -> None:
    """Whoever is linked links back, and open balances are what payments left."""
    given: set[tuple[str, str, str, str]] = set()
    taken: set[tuple[str, str, str, str]] = set()
    paid: dict[tuple[str, str], Decimal] = {}
    for entity, row, doc in everything:
        for link in doc.get("LinkedTxn", []):
            given.add((entity, row.id, _LINKED[link["TxnType"]], link["TxnId"]))
        for line in doc.get("Line", []):
            for link in line.get("LinkedTxn", []):
                other = (_LINKED[link["TxnType"]], link["TxnId"])
                taken.add((*other, entity, row.id))
                paid[other] = plus(paid.get(other, NOTHING), Decimal(line["Amount"]))
    assert given == taken
    for entity, row, doc in everything:
        if entity in ("Invoice", "Bill"):
            owed = minus(Decimal(doc["TotalAmt"]), Decimal(doc.get("Deposit", "0")))
            left = minus(owed, paid.get((entity, row.id), NOTHING))
            assert Decimal(doc["Balance"]) == left, (entity, row.id)
        if entity == "Payment":
            applied = total(Decimal(line["Amount"]) for line in doc["Line"])
            left = minus(Decimal(doc["TotalAmt"]), applied)
            assert Decimal(doc["UnappliedAmt"]) == left, row.id


def plain(body: bytes) -> object:
    """The body through the standard JSON reader."""
    return json.loads(body)
