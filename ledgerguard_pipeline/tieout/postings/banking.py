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
    # A tax line of an entry has no side; the line that carries the tax has one, and often no rate.
    taxes = "{journal_entry_tax_line}"
    rate = "coalesce(line.tax_rate_id, sole.tax_rate_id, '')"
    sole = (
        "LEFT JOIN (SELECT realm_id, id, CASE WHEN count(DISTINCT tax_rate_id) = 1 "
        f"THEN any_value(tax_rate_id) END AS tax_rate_id FROM {taxes} GROUP BY realm_id, id) AS sole "
        "ON sole.realm_id = head.realm_id AND sole.id = head.id"
    )
    yield Rule(
        "JournalEntry", "tax", _taxed(rate), f"{side}line.tax_amount", f"{source} {sole}",
        line_no="line.line_no", learned=rate, confidence=GUESS, department=department,
    )  # fmt: skip
    # Where no line carries it, it is what the lines lack, all on the side that is short.
    entered = (
        f"JOIN (SELECT realm_id, id, sum({side}amount) AS net, "
        "sum(abs(coalesce(tax_amount, 0))) AS taxed FROM {journal_entry_line} AS line "
        "WHERE line.detail_type = 'JournalEntryLineDetail' GROUP BY realm_id, id) AS entered "
        "ON entered.realm_id = head.realm_id AND entered.id = head.id"
    )
    rate = "coalesce(line.tax_rate_id, '')"
    yield Rule(
        "JournalEntry", "tax", _taxed(rate),
        "CASE WHEN entered.net > 0 THEN -1 ELSE 1 END * line.amount",
        f"{{journal_entry}} AS head {of_company('journal_entry_tax_line', 'id')} {entered}",
        where="entered.taxed = 0 AND entered.net <> 0 AND abs(entered.net) = "
        f"(SELECT sum(each.amount) FROM {taxes} AS each "
        "WHERE each.realm_id = head.realm_id AND each.id = head.id)",
        line_no="line.tax_line_no", learned=rate, confidence=GUESS,
    )  # fmt: skip


def _taxed(rate: str) -> Account:
    """The account of a rate, which is one of sales or of purchases; an entry does not say of which."""
    sold = learned(rate, "sales")
    bought = (
        f"LEFT JOIN tax_map AS bought ON bought.tax_rate_id = {rate} AND bought.side = 'purchase' "
        f"AND {rate} <> ''"
    )
    return Account(
        f"coalesce({sold.sql}, bought.account_id)", sold.confidence, f"{sold.join} {bought}"
    )


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
