"""Rules of journal entries and of money that moves between own accounts."""

from __future__ import annotations

from collections.abc import Iterator

from ledgerguard_pipeline.tieout.postings.legs import (
    GUESS,
    Account,
    Rule,
    by_role,
    learned,
    of_company,
)
from ledgerguard_pipeline.tieout.postings.sales import tax_rules


def banking_rules() -> Iterator[Rule]:
    """Every leg of entries, deposits, transfers and payments of cards."""
    yield from _entries()
    yield from _deposits()
    for entity, table, to, out in (
        ("Transfer", "transfer", "to_account_id", "from_account_id"),
        ("CreditCardPayment", "credit_card_payment", "credit_card_account_id", "bank_account_id"),
    ):
        source = f"{{{table}}} AS head"
        yield Rule(entity, "header", Account(f"head.{to}"), "head.amount", source)
        yield Rule(entity, "header", Account(f"head.{out}"), "-head.amount", source)


def _entries() -> Iterator[Rule]:
    source = f"{{journal_entry}} AS head {of_company('journal_entry_line', 'id')}"
    side = "CASE WHEN line.posting_type = 'Debit' THEN 1 ELSE -1 END * "
    party = ("line.entity_type", "line.entity_id")
    department = "coalesce(line.department_id, head.department_id)"
    yield Rule(
        "JournalEntry", "line", Account("line.account_id"), f"{side}line.amount", source,
        where="line.detail_type = 'JournalEntryLineDetail'", party=party,
        line_no="line.line_no", segment="line.class_id", department=department,
    )  # fmt: skip
    # A tax line of an entry has no side; the line that carries the tax has one.
    yield Rule(
        "JournalEntry", "tax", learned("coalesce(line.tax_rate_id, '')", "sales"),
        f"{side}line.tax_amount", source, line_no="line.line_no",
        learned="coalesce(line.tax_rate_id, '')", confidence=GUESS, department=department,
    )  # fmt: skip


def _deposits() -> Iterator[Rule]:
    """Lines that only link to payments take them out of Undeposited Funds."""
    source = "{deposit} AS head"
    yield Rule("Deposit", "header", Account("head.deposit_to_account_id"), "head.total_amt", source)
    yield Rule(
        "Deposit", "cash_back", Account("head.cash_back_account_id"), "head.cash_back_amount",
        source,
    )  # fmt: skip
    yield Rule(
        "Deposit", "line", by_role("undeposited", "line.account_id", any_currency=True),
        "-line.amount", f"{source} {of_company('deposit_line', 'id')}",
        party=("line.entity_type", "line.entity_id"), line_no="line.line_no",
        segment="line.class_id",
    )  # fmt: skip
    yield from tax_rules("Deposit", "deposit", "-", "sales")
