"""Documents of a company that has no account of the kinds that are reached without being named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from ledgerguard_pipeline.tieout.postings.store import PostingStore
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at
from ledgerguard_pipeline_tests.tieout.forms import account, form, ref


def test_a_company_of_plain_accounts_alone_is_posted(tmp_path: Path) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    accounts = {
        "1": account("Bank", "Checking"),
        "2": account("Bank", "Savings"),
        "40": account("Income", "SalesOfProductIncome"),
    }
    moved = form("0", FromAccountRef=ref("1"), ToAccountRef=ref("2"), Amount=Decimal("5.25"))
    books.write("Account", accounts)
    books.write("Transfer", {"1": moved})
    # Nobody's receivables: the leg is there all the same, without an account.
    books.write("Invoice", {"2": form("0.01")})
    PostingStore(books.store).bring_up_to_date(REALM)
    rows = books.store.sql(
        "SELECT entity, account_id, amount FROM silver.postings ORDER BY ALL"
    ).rows
    assert rows == [
        ("Invoice", None, Decimal("0.01")),
        ("Transfer", "1", Decimal("-5.25")),
        ("Transfer", "2", Decimal("5.25")),
    ]
