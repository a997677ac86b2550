"""Documents that several rules are about at once, in one company: all levels agree to the cent."""

from __future__ import annotations

from pathlib import Path
from random import Random

import duckdb

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.header import head
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num
from ledgerguard_pipeline.sandbox.edits.editor import Editor
from ledgerguard_pipeline.sandbox.edits.remove import void
from ledgerguard_pipeline.sandbox.edits.update import set_active
from ledgerguard_pipeline.tieout.proof import Proof, ProofState
from ledgerguard_pipeline_tests.tieout.books import NOW, TODAY, open_books, open_sandbox
from ledgerguard_pipeline_tests.tieout.documents import sync_documents

ITEM = "1"


def ref(id: str) -> Doc:
    return {"value": id}


def euro(day: str, rate: str, **more: object) -> Doc:
    return {
        "TxnDate": day,
        "CurrencyRef": ref("EUR"),
        "ExchangeRate": Num(rate),
        "LinkedTxn": [],
        **more,
    }


def sold(amount: str) -> Doc:
    detail = {"ItemRef": ref(ITEM), "Qty": 1, "UnitPrice": Num(amount)}
    return {
        "Amount": Num(amount),
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def paid(entity: str, id: str, amount: str) -> Doc:
    return {"Amount": Num(amount), "LinkedTxn": [{"TxnId": id, "TxnType": entity}]}


def entered(amount: str, side: str, account: str, *, customer: str = "") -> Doc:
    detail: Doc = {"PostingType": side, "AccountRef": ref(account)}
    if customer:
        detail["Entity"] = {"Type": "Customer", "EntityRef": ref(customer)}
    return {
        "Amount": Num(amount),
        "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": detail,
    }


class Desk:
    """Writes documents into the books of a company whose customer of euros is ``ann``."""

    def __init__(self, company: SandboxCompany) -> None:
        self.company, self.chart = company, company.chart
        customers = company.tables["Customer"]
        self.ann = next(
            row.id for row in customers.rows.values() if b'"EUR"' in customers.body(row)
        )

    def editor(self) -> Editor:
        return Editor(self.company, NOW, Random(1))

    def add(self, entity: str, doc: Doc) -> str:
        with self.company.lock:
            editor, id = self.editor(), self.company.new_id("Transaction")
            editor.add(entity, id, doc | head(entity, id, NOW, NOW, 0))
            editor.settle()
        return id

    def invoice(self, day: str, rate: str, amount: str, *, left: str) -> str:
        form = euro(day, rate, DueDate=day, CustomerRef=ref(self.ann), Line=[sold(amount)])
        return self.add("Invoice", form | {"TotalAmt": Num(amount), "Balance": Num(left)})

    def payment(self, day: str, rate: str, amount: str, *lines: Doc) -> str:
        form = euro(day, rate, CustomerRef=ref(self.ann), Line=list(lines))
        bank = {"DepositToAccountRef": ref(self.chart.undeposited)}
        return self.add(
            "Payment", form | bank | {"TotalAmt": Num(amount), "UnappliedAmt": Num("0")}
        )


def write(desk: Desk) -> None:
    chart = desk.chart
    # In three parts at other rates, one of which is open.
    parts = desk.invoice("2026-08-10", "1.2345678", "100.01", left="23.35")
    for day, rate, amount in (
        ("2026-08-20", "1.31", "33.33"),
        ("2026-09-20", "1.29", "33.33"),
        ("2026-10-20", "1.27", "10.00"),
    ):
        desk.payment(day, rate, amount, paid("Invoice", parts, amount))
    # A credit that is used up in a later month by a payment of nothing.
    credit = desk.add(
        "CreditMemo",
        euro("2026-01-15", "1.3001", CustomerRef=ref(desk.ann), Line=[sold("30.00")])
        | {"TotalAmt": Num("30.00"), "RemainingCredit": Num("9.99"), "Balance": Num("9.99")},
    )
    owed = desk.invoice("2026-07-03", "1.4", "20.01", left="0")
    desk.payment(
        "2026-08-01",
        "1.25",
        "0",
        paid("Invoice", owed, "20.01"),
        paid("CreditMemo", credit, "20.01"),
    )
    # An opening balance that is paid in part, and an entry of many lines.
    opening = desk.add(
        "JournalEntry",
        euro("2026-02-01", "1.1999")
        | {
            "Line": [
                entered("100.00", "Debit", chart.receivables["EUR"], customer=desk.ann),
                entered("100.00", "Credit", chart.checking),
            ]
        },
    )
    desk.payment("2026-09-02", "1.31", "60.00", paid("JournalEntry", opening, "60.00"))
    lines = [entered("10.01", "Debit", chart.discounts) for _ in range(4)]
    desk.add(
        "JournalEntry",
        euro("2026-08-10", "1.2345678")
        | {"Line": [*lines, entered("40.04", "Credit", chart.checking)]},
    )
    # A payment of several invoices that was voided.
    two = [
        (desk.invoice("2026-03-03", "1.2345678", "100.01", left="0"), "100.01"),
        (desk.invoice("2026-04-03", "1.11", "50.03", left="0"), "50.03"),
    ]
    gone = desk.payment("2026-05-01", "1.3", "150.04", *(paid("Invoice", *each) for each in two))
    with desk.company.lock:
        editor = desk.editor()
        for id, _ in two:
            link = {"LinkedTxn": [{"TxnId": gone, "TxnType": "Payment"}]}
            editor.save("Invoice", id, editor.read("Invoice", id) | link)
        void(editor, "Payment", gone)
        editor.settle()
    # A bundle with tax in its prices and a discount, and a line without an amount.
    bundle = {"GroupItemRef": ref(ITEM), "Quantity": 1, "Line": [sold("10.00"), sold("20.00")]}
    desk.add(
        "Invoice",
        {
            "TxnDate": "2026-09-03",
            "DueDate": "2026-09-03",
            "CurrencyRef": ref("USD"),
            "CustomerRef": ref("1"),
            "GlobalTaxCalculation": "TaxInclusive",
            "Line": [
                {
                    "DetailType": "SalesItemLineDetail",
                    "SalesItemLineDetail": {"ItemRef": ref(ITEM)},
                },
                {
                    "Amount": Num("30.00"),
                    "DetailType": "GroupLineDetail",
                    "GroupLineDetail": bundle,
                },
                {
                    "Amount": Num("3.00"),
                    "DetailType": "DiscountLineDetail",
                    "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": Num("10")},
                },
            ],
            "TxnTaxDetail": {
                "TotalTax": Num("2.16"),
                "TaxLine": [
                    {
                        "Amount": Num("2.16"),
                        "DetailType": "TaxLineDetail",
                        "TaxLineDetail": {"TaxRateRef": ref("3")},
                    }
                ],
            },
            "TotalAmt": Num("29.16"),
            "Balance": Num("29.16"),
            "LinkedTxn": [],
        },
    )
    # What they are booked to is no longer in use.
    with desk.company.lock:
        editor = desk.editor()
        for account in (chart.exchange_gain, chart.receivables["EUR"], chart.undeposited):
            set_active(editor, "Account", account, active=False)
        set_active(editor, "Customer", desk.ann, active=False)
        set_active(editor, "Item", ITEM, active=False)
        editor.settle()


def test_cents_that_rounding_left_are_a_warning_wherever_quickbooks_books_them(
    tmp_path: Path,
) -> None:
    """Nine lines of 12.358 each are 111.24, and their document 111.22."""
    with (
        open_sandbox() as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        desk = Desk(books.company)
        form = euro("2026-08-10", "1.2345678", DueDate="2026-08-10", CustomerRef=ref(desk.ann))
        owed = {"TotalAmt": Num("90.09"), "Balance": Num("90.09")}
        id = desk.add("Invoice", form | owed | {"Line": [sold("10.01") for _ in range(9)]})
        sandbox.set(reports={"rest": "header"})
        sync_documents(books)
        books.sync.bring_up_to_date(TODAY)
        proof = Proof(books.client, books.store, books.realm, SYSTEM_CLOCK)
        result = proof.run([TODAY])
        assert [each.message for each in result.unexplained] == []
        assert result.state is ProofState.TIED_OUT
        chart = books.company.chart
        warned = {each.key for each in result.differences if each.warning == "rounding"}
        assert {
            f"Invoice/{id}/{chart.receivables['EUR']}",
            f"Invoice/{id}/{chart.exchange_gain}",
            "Customer/",
        } <= warned
        # So much more is not what rounding can have left of ten legs.
        with duckdb.connect(str(books.file)) as connection:
            connection.execute(
                "UPDATE books.silver.journal SET amount = amount + 0.10 WHERE entity = 'Invoice' "
                f"AND txn_id = '{id}' AND account_id = '{chart.receivables['EUR']}'"
            )
            connection.execute(
                "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE (99 AS leg_no, "
                f"'{chart.exchange_gain}' AS account_id, -0.10 AS amount) "
                f"FROM books.silver.journal WHERE entity = 'Invoice' AND txn_id = '{id}' LIMIT 1"
            )
        matched, _ = books.documents.matched()
        assert [each.key for each in matched if each.breaks] == [
            f"Invoice/{id}/{chart.receivables['EUR']}",
            f"Invoice/{id}/{chart.exchange_gain}",
        ]


def test_documents_that_several_rules_are_about_agree_on_every_level(tmp_path: Path) -> None:
    with (
        open_sandbox() as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        write(Desk(books.company))
        sync_documents(books)
        books.sync.bring_up_to_date(TODAY)
        result = Proof(books.client, books.store, books.realm, SYSTEM_CLOCK).run([TODAY])
        assert [each.message for each in result.unexplained] == []
        assert result.findings == ()
        assert result.state is ProofState.TIED_OUT
