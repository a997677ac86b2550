"""What is booked straight to receivables or payables, by entries and lines of other forms."""

from __future__ import annotations

from collections.abc import Callable

from ledgerguard_pipeline.silver.views.form import home

ENTRIES = ("JournalEntry", "Deposit", "Check", "Expense", "CreditCardCredit")
"""What such documents are called where payments link to them."""


def direct_bookings(
    party: str, account_type: str, at: Callable[[str], str], *, described: bool = True
) -> str:
    """SQL of one row per document and customer (or vendor) with what it books to these accounts.

    ``net`` is above zero where it is owed, in the document's currency; ``home_net`` the same in
    home currency, line by line. ``at`` names a table. Not ``described`` the rows have their keys,
    rates and amounts only.
    """
    kind = party.capitalize()
    customers = kind == "Customer"
    owed, settled = ("", "-") if customers else ("-", "")
    debit = "Debit" if customers else "Credit"
    payee = f"CASE WHEN head.entity_type = '{kind}' THEN head.entity_id END"
    if customers:
        payee = f"coalesce(line.customer_id, {payee})"
    entered = f"CASE WHEN line.posting_type = '{debit}' THEN line.amount ELSE -line.amount END"
    spent = (
        f"CASE WHEN coalesce(head.credit, false) THEN {settled}line.amount "
        f"ELSE {owed}line.amount END"
    )

    def lines(table: str) -> str:
        return (
            f"FROM {at(f'{table}_line')} AS line "
            f"JOIN {at(table)} AS head ON head.realm_id = line.realm_id AND head.id = line.id "
            f"JOIN {at('account')} AS account ON account.realm_id = line.realm_id "
            f"AND account.id = line.account_id AND account.account_type = '{account_type}' "
            "WHERE head.state <> 'voided'"
        )

    def facts(name: str, of: str) -> str:
        if not described:
            return ""
        return (
            f", any_value({name}) AS {party}_name, any_value(head.doc_number) AS doc_number, "
            "any_value(head.txn_date) AS txn_date, any_value(head.currency_id) AS currency_id, "
            f"any_value({of}.department_id) AS department_id, "
            f"any_value({of}.department_name) AS department_name"
        )

    def sums(amount: str) -> str:
        return f"sum({amount}) AS net, sum({home(amount, 'head.exchange_rate')}) AS home_net"

    whom = f"line.entity_id IS NOT NULL AND coalesce(line.entity_type, '{kind}') = '{kind}'"
    paid_by = (
        "CASE WHEN head.payment_type = 'Check' THEN 'Check' "
        "WHEN head.credit THEN 'CreditCardCredit' ELSE 'Expense' END"
    )
    return f"""
    SELECT line.realm_id, 'JournalEntry' AS txn_type, line.id, line.entity_id AS {party}_id,
        any_value(head.exchange_rate) AS exchange_rate, {sums(entered)}
        {facts("line.entity_name", "line")}
    {lines("journal_entry")} AND {whom}
    GROUP BY line.realm_id, line.id, line.entity_id
    UNION ALL
    SELECT line.realm_id, 'Deposit', line.id, line.entity_id, any_value(head.exchange_rate),
        {sums(f"{settled}line.amount")} {facts("line.entity_name", "head")}
    {lines("deposit")} AND {whom}
    GROUP BY line.realm_id, line.id, line.entity_id
    UNION ALL
    SELECT line.realm_id, {paid_by} AS kind, line.id, {payee} AS payee,
        any_value(head.exchange_rate), {sums(spent)}
        {facts(payee.replace("_id", "_name"), "head")}
    {lines("purchase")} AND {payee} IS NOT NULL
    GROUP BY line.realm_id, kind, line.id, payee"""
