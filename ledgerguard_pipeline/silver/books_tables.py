"""Tables of the books beside those of the entity types: the journal, what documents post, and what differs.

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

    def some(self, *names: str) -> tuple[TableColumn, ...]:
        """These columns, in this order, for a view that shows them as they are."""
        by_name = {each.name: each for each in self.columns}
        return tuple(by_name[name] for name in names)

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
        text(
            "key",
            "Id of an account; of a document its type and id, as `Invoice/72`, and on an account "
            "`Invoice/72/90`; of a party `Customer/12`.",
        ),
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
POSTINGS = BooksTable(
    "postings",
    "Every leg of every document by Intuit's posting rules: a second witness beside the journal, as old "
    "as the last comparison. Costs of goods, pay and tax payments are in the journal only.",
    "one leg of one document",
    ("realm_id", "entity", "txn_id", "leg_no"),
    (
        COMPANY,
        text("entity", "Type of the document."),
        text("txn_id", "Id of the document, unique within its type."),
        day("txn_date", "Date of the document."),
        whole("leg_no", "Position in the document, from 0."),
        whole("line_no", "Line it comes from; NULL for the document's own legs."),
        text(
            "role",
            "header, deposit, line, discount, tax, shipping, cash_back, or fx for what moved between "
            "rates of exchange.",
        ),
        text("account_id", "Joins `dim_account`; NULL where the journal has not shown it yet."),
        text("party_type", "Customer, Vendor or Employee."),
        text("party_id", "Whom the leg is about: id within that type."),
        text("class_id", "Class: id."),
        text("department_id", "Department (location): id."),
        text("item_id", "Product or service: id."),
        text(
            "tax_rate_id",
            "Set where the account is learned: the tax rate, an empty text for tax without rates, or "
            "SHIPPING_ITEM_ID.",
        ),
        money("amount", "Debit less credit, in home currency."),
        money("foreign_amount", "The same in `currency`."),
        text("currency", "Currency of the document."),
        text("rule", "Which rule made it: the type of the document and the role."),
        text("confidence", "sure, learned (from the journal) or guess."),
        TableColumn("loaded_at", Kind.TIME, "When Bronze got this version; joins Bronze."),
    ),
)
TAX_ACCOUNT = BooksTable(
    "tax_account",
    "Which account the tax of a rate goes to, as the journal has shown it: no object of Intuit's says so.",
    "one tax rate on sales or on purchases",
    ("realm_id", "tax_rate_id", "side"),
    (
        COMPANY,
        text(
            "tax_rate_id",
            "The tax rate; an empty text for tax without rates, SHIPPING_ITEM_ID for shipping.",
        ),
        text("side", "sales or purchase."),
        text("account_id", "Joins `dim_account`: the account that most documents show."),
        whole("seen", "How many documents show it."),
        whole("contradicted", "How many documents show another one."),
        day("last_seen", "Date of the newest document that shows it."),
    ),
)
BOOKS_TABLES = (JOURNAL, POSTINGS, TAX_ACCOUNT, TIE_OUT)
