"""Tables of the books beside those of the entity types: the journal, and what differs in it.

The tie-out writes them; views and lists of tables read them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.silver.layout import TableColumn
from ledgerguard_pipeline.silver.specs import Kind
from ledgerguard_pipeline.silver.views.form import COMPANY, day, money, text, whole


@dataclass(frozen=True, slots=True)
class BooksTable:
    """A table with its meaning, grain (what one row is) and key."""

    name: str
    meaning: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[TableColumn, ...]

    @property
    def types(self) -> dict[str, str]:
        """SQL types by column."""
        return {each.name: each.kind.sql for each in self.columns}

    @property
    def definition(self) -> str:
        """The columns as CREATE TABLE takes them."""
        return ", ".join(f"{name} {kind}" for name, kind in self.types.items())


JOURNAL = BooksTable(
    "journal",
    "Every leg of every transaction, as Intuit's JournalReport shows them: accrual, home currency.",
    "one leg of one transaction",
    ("realm_id", "txn_type", "txn_id", "leg_no"),
    (
        COMPANY,
        text("txn_type", "Type of the transaction as sent, in the language of the reports."),
        text("entity", "Type in the API that it stands for; NULL: none, or not known."),
        text("txn_id", "Id of the transaction, unique within its type."),
        day("txn_date", "Date as sent."),
        day("posted_on", "The date inside the window in which Intuit showed the transaction."),
        text("doc_num", "Number of the document."),
        text("name_id", "Customer, vendor or employee."),
        whole("leg_no", "Position in the transaction, from 0."),
        text("account_id", "Joins `dim_account`."),
        text("account_name", "Name of the account as sent."),
        text("memo", "Memo of the leg."),
        money("debit", "Debit."),
        money("credit", "Credit."),
        money("amount", "Debit less credit."),
        text("report_id", "Joins `bronze._reports`, which has the answer byte for byte."),
    ),
)
TIE_OUT = BooksTable(
    "tie_out",
    "What differed when the books were compared last; empty where they tie out.",
    "one account, document or party that does not agree on one day",
    ("realm_id", "level", "period_end", "key"),
    (
        COMPANY,
        text("level", "What was compared: `docs/tie-out.md` lists the levels."),
        day("period_end", "The day compared."),
        text("key", "Id of the account, document or party."),
        text("name", "Its name."),
        money("ours", "What this copy says."),
        money("theirs", "What Intuit's report says."),
        money("difference", "Ours less theirs."),
        text("class", "`unexplained`, or why it is expected."),
        text("explanation", "What is known of it, in words."),
        TableColumn("first_seen", Kind.TIME, "When it was found first."),
        TableColumn("seen_at", Kind.TIME, "When it was found last."),
        text("report_id", "Joins `bronze._reports`."),
    ),
)
BOOKS_TABLES = (JOURNAL, TIE_OUT)
