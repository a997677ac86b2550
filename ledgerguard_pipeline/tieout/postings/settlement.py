"""What payments clear of receivables and payables, in another currency document by document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerguard_pipeline.silver.views.direct_bookings import direct_bookings
from ledgerguard_pipeline.tieout.postings.legs import CURRENCY, ZERO, Account, Rule


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments of customers or to vendors: their tables, whom they concern, and what they settle.

    ``settles`` names types of documents, their tables and the sign of what is applied to them.
    """

    entity: str
    table: str
    party: str
    account_type: str
    sign: str
    """Of the leg on the account."""
    settles: tuple[tuple[str, str, str], ...]


OF_CUSTOMERS = Payments(
    "Payment",
    "payment",
    "customer",
    "Accounts Receivable",
    "-",
    (("Invoice", "invoice", ""), ("CreditMemo", "credit_memo", "-")),
)
OF_VENDORS = Payments(
    "BillPayment",
    "bill_payment",
    "vendor",
    "Accounts Payable",
    "",
    (("Bill", "bill", ""), ("VendorCredit", "vendor_credit", "-")),
)


def settled(payments: Payments, account: Account) -> Iterator[Rule]:
    """In another currency each document is cleared at the rate it was written at.

    Credits that are used up with it count against what it settles. Opening balances, and what else
    is booked straight to the account, are documents too, each on the side it was booked on: one about
    several parties is settled for the payer, any other by whoever pays it, as for those below.
    """
    table, sign, party = payments.table, payments.sign, payments.party
    foreign = f"({CURRENCY} <> coalesce($home, '') OR coalesce(head.exchange_rate, 1) <> 1)"
    whom = (f"'{party.capitalize()}'", f"head.{party}_id")
    applied = " UNION ALL ".join(_applied(payments))
    yield Rule(
        payments.entity, "header", account, f"{sign}line.amount",
        f"{{{table}}} AS head JOIN ({applied}) AS line ON line.realm_id = head.realm_id "
        "AND line.id = head.id",
        where=foreign, party=whom, rate="line.exchange_rate",
    )  # fmt: skip
    yield Rule(
        payments.entity, "header", account,
        f"{sign}(head.total_amt - CASE WHEN {foreign} THEN coalesce(line.amount, {ZERO}) "
        f"ELSE {ZERO} END)",
        f"{{{table}}} AS head LEFT JOIN (SELECT realm_id, id, sum(amount) AS amount "
        f"FROM ({applied}) GROUP BY realm_id, id) AS line ON line.realm_id = head.realm_id "
        "AND line.id = head.id",
        party=whom,
    )  # fmt: skip


def _applied(payments: Payments) -> Iterator[str]:
    """What is applied by each payment, at which rate; below zero what counts against it."""
    table, party = payments.table, payments.party
    for entity, other, factor in payments.settles:
        yield (
            f"SELECT link.realm_id, link.id, {factor}link.amount AS amount, other.exchange_rate "
            f"FROM {{{table}_linked}} AS link JOIN {{{other}}} AS other "
            "ON other.realm_id = link.realm_id AND other.id = link.txn_id "
            f"AND link.txn_type = '{entity}' WHERE link.line_no IS NOT NULL "
            "AND link.amount IS NOT NULL AND other.exchange_rate IS NOT NULL"
        )
    booked = direct_bookings(
        party, payments.account_type, lambda name: f"{{{name}}}", described=False
    )
    yield (
        "SELECT link.realm_id, link.id, CASE WHEN booked.net < 0 THEN -link.amount "
        "ELSE link.amount END AS amount, booked.exchange_rate "
        f"FROM {{{table}_linked}} AS link JOIN {{{table}}} AS pay "
        "ON pay.realm_id = link.realm_id AND pay.id = link.id "
        "JOIN (SELECT *, count(*) OVER (PARTITION BY realm_id, txn_type, id) AS parties "
        f"FROM ({booked})) AS booked ON booked.realm_id = link.realm_id "
        "AND booked.id = link.txn_id AND booked.txn_type = link.txn_type "
        f"WHERE (booked.parties = 1 OR booked.{party}_id = pay.{party}_id) AND link.line_no IS NOT NULL "
        "AND link.amount IS NOT NULL AND booked.net <> 0 AND booked.exchange_rate IS NOT NULL"
    )
