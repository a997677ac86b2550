"""The journal with its accounts: every leg beside the branch of the chart of accounts it stands on."""

from __future__ import annotations

from ledgerguard_pipeline.silver.books_tables import JOURNAL
from ledgerguard_pipeline.silver.views.form import ReaderView, money, text

JOURNAL_LINE = ReaderView(
    "journal_line",
    "Every leg of `silver.journal` with its account: accrual, home currency.",
    "one leg of one transaction",
    ("realm_id", "txn_type", "txn_id", "leg_no"),
    (
        *JOURNAL.some(
            "realm_id", "txn_type", "entity", "txn_id", "leg_no", "txn_date", "posted_on"
        ),
        text("doc_number", "Number of the document."),
        *JOURNAL.some("name_id", "account_id"),
        text("account_number", "Number in the chart of accounts, where numbers are used."),
        text("account_path", "Names from the top account down, with colons between them."),
        text("root_id", "The top account of the branch."),
        text("root_name", "Name of the top account."),
        text("root_type", "Asset, Liability, Equity, Revenue or Expense."),
        text("account_type", "Intuit's type, such as Bank or Accounts Receivable."),
        *JOURNAL.some("memo", "debit", "credit", "amount"),
        money("effect", "The same as the account counts it: above zero raises its balance."),
    ),
    """
SELECT leg.realm_id, leg.txn_type, leg.entity, leg.txn_id, leg.leg_no, leg.txn_date, leg.posted_on,
    leg.doc_num AS doc_number, leg.name_id, leg.account_id, account.account_number,
    coalesce(account.path, leg.account_name) AS account_path, account.root_id, account.root_name,
    account.root_type, account.account_type, leg.memo, leg.debit, leg.credit, leg.amount,
    CASE WHEN account.sign = -1 THEN -leg.amount ELSE leg.amount END AS effect
FROM silver.journal AS leg LEFT JOIN silver.dim_account AS account
    ON account.realm_id = leg.realm_id AND account.account_id = leg.account_id
""",
    "SELECT posted_on, txn_type, doc_number, memo, effect FROM silver.journal_line "
    "WHERE account_path = 'Checking' ORDER BY posted_on, txn_type, txn_id, leg_no",
)
