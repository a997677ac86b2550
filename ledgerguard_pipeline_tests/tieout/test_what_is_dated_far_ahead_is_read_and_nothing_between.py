"""Entries posted for years in advance are in the journal, and a slip of the pen costs one month."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from random import Random

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.header import head
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num
from ledgerguard_pipeline.sandbox.edits.editor import Editor
from ledgerguard_pipeline_tests.tieout.books import NOW, TODAY, Books, open_books, open_sandbox
from ledgerguard_pipeline_tests.tieout.documents import sync_documents, unexplained

BETWEEN = [f"{year}-{month:02}-15" for year in range(2027, 2032) for month in range(1, 13)]
"""Five years of entries, three of which are further ahead than all days are read."""
SLIP = "2126-03-05"


def entry(day: str, accounts: tuple[str, str]) -> Doc:
    lines = [
        {
            "Amount": Num("5.00"),
            "DetailType": "JournalEntryLineDetail",
            "JournalEntryLineDetail": {"PostingType": side, "AccountRef": {"value": account}},
        }
        for side, account in zip(("Debit", "Credit"), accounts, strict=True)
    ]
    return {"TxnDate": day, "CurrencyRef": {"value": "USD"}, "Line": lines}


def write(company: SandboxCompany, days: list[str]) -> list[str]:
    """Entries of these days; their ids."""
    chart, ids = company.chart, list[str]()
    with company.lock:
        editor = Editor(company, NOW, Random(1))
        for day in days:
            id = company.new_id("Transaction")
            doc = entry(day, (chart.undeposited, chart.checking)) | head("JournalEntry", id, NOW, NOW, 0)  # fmt: skip
            ids.append(editor.add("JournalEntry", id, doc))
        editor.settle()
    return ids


def correct(company: SandboxCompany, id: str) -> None:
    """Date an entry a hundred years earlier, now."""
    with company.lock:
        editor = Editor(company, int(SYSTEM_CLOCK.now().timestamp()), Random(1))
        doc = editor.read("JournalEntry", id)
        editor.save("JournalEntry", id, doc | {"TxnDate": "2026-03-05"})
        editor.settle()


def compare(books: Books) -> Counter[str]:
    """Bring everything up to date and compare documents; how often each report was asked for."""
    books.sandbox.pop_log()
    books.sync.bring_up_to_date(TODAY)
    books.documents.derive()
    assert [each.message for each in unexplained(books.documents.matched()[0])] == []
    assert [each.message for each in unexplained(books.documents.listed())] == []
    names = [call.target.partition("?")[0] for call in books.sandbox.pop_log()]
    return Counter(name.rpartition("/")[2] for name in names if name.startswith("reports/"))


def test_what_is_dated_far_ahead_is_read_and_no_month_between(tmp_path: Path) -> None:
    with (
        open_sandbox(varied=False) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        *_, slip = write(books.company, [*BETWEEN, SLIP])
        sync_documents(books)
        asked = compare(books)
        sums = books.sync.journal.sums(books.realm, date(2200, 1, 1))
        balances = {each.account_id: each.amount for each in sums if each.amount}
        assert balances == books.ledger_balances()
        windows = books.sync.journal.windows(books.realm)
        years = {day.year for each in windows for day in (each.start, each.end)}
        assert max(years - {2126}) == 2031
        # Half a year in a call, and the month of the slip.
        assert asked["JournalReport"] <= 16
        assert asked["TransactionList"] <= 16
        quiet = compare(books)
        assert quiet["JournalReport"] == 1
        correct(books.company, slip)
        sync_documents(books)
        # Its month, the one in which it is no more, and the current one.
        assert compare(books)["JournalReport"] == 3


def test_what_was_dated_far_ahead_before_it_was_corrected_is_read_no_more(tmp_path: Path) -> None:
    with (
        open_sandbox(varied=False) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        corrected, deleted = write(books.company, [SLIP, "2090-01-01"])
        sync_documents(books)
        correct(books.company, corrected)
        sandbox.edit("delete", "JournalEntry", deleted)
        sync_documents(books)
        compare(books)
        windows = books.sync.journal.windows(books.realm)
        assert max(each.end for each in windows) < date(2028, 1, 1)
