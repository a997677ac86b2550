"""The bulk of the books: invoices and their payments, rendered on demand from their number.

Everything about a row follows from the plan and its stored times, so a million invoices hold no
bytes until somebody edits them.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, TRANSACTIONS, Desk
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting
from ledgerguard_pipeline.sandbox.seed.line_templates import PATTERNS
from ledgerguard_pipeline.sandbox.seed.sales_plan import BLOCK, FIRST_ID, SLOTS, VOIDED, SalesPlan
from ledgerguard_pipeline.sandbox.seed.sales_text import SalesText


class SalesRun:
    """Puts the planned rows into the tables and posts what they add up to."""

    def __init__(self, desk: Desk, invoices: int) -> None:
        self.plan = SalesPlan(desk, invoices)
        self._text = SalesText(desk, self.plan)
        self._bank = (desk.accounts["checking"], desk.accounts["undeposited"])

    def fill(self, desk: Desk) -> None:
        """Put all rows into the tables and post what they add up to."""
        company = desk.company
        company.tables["Invoice"] = EntityTable("Invoice", self._text.render_invoice)
        company.tables["Payment"] = EntityTable("Payment", self._text.render_payment)
        receivable: dict[str, int] = {}
        counts = [0] * PATTERNS
        lasts = [0] * PATTERNS
        taxes = 0
        rows = company.tables["Invoice"].rows
        for block in range(self.plan.blocks):
            customer = self.plan.customer_of(block)["value"]
            owed = 0
            for slot in range(min(BLOCK, self.plan.invoices - block * BLOCK)):
                row = self._invoice_row(block, slot)
                rows[row.id] = row
                if not self.plan.is_void(block, slot):
                    index, last, tax = self.plan.amounts(block, slot)
                    counts[index] += 1
                    lasts[index] += last
                    taxes += tax
                    owed += self.plan.patterns[index].cents + last + tax
            receivable[customer] = receivable.get(customer, 0) + owed
        banked = self._fill_payments(company.tables["Payment"], receivable)
        company.tables["Invoice"].version += 1
        company.tables["Payment"].version += 1
        company.reserve(TRANSACTIONS, FIRST_ID + self.plan.blocks * SLOTS + 1)
        at = self.plan.moment(self.plan.blocks - 1, BLOCK) if self.plan.blocks else desk.start
        desk.company.ledger.post(self._summary(desk, receivable, counts, lasts, taxes, banked), at)

    def _invoice_row(self, block: int, slot: int) -> Row:
        created = updated = self.plan.moment(block, slot)
        token = 0
        payment = block + self.plan.lag
        if self.plan.is_void(block, slot):
            token, updated = 1, min(created + 2 * DAY, self.plan.end)
        elif payment < self.plan.payments:
            paid = self.plan.paid(payment, slot, 2)
            if self.plan.habit(payment) == VOIDED:
                token, updated = 2, self.plan.void_time(payment)
            elif paid:
                token, updated = 1, self.plan.moment(payment, BLOCK)
        return Row(self.plan.invoice_id(block, slot), created, updated, token, True, None)

    def _fill_payments(self, table: EntityTable, receivable: dict[str, int]) -> list[int]:
        banked = [0, 0]
        for payment in range(self.plan.payments):
            created = updated = self.plan.moment(payment, BLOCK)
            token = 0
            if self.plan.habit(payment) == VOIDED:
                token, updated = 1, self.plan.void_time(payment)
            row = Row(self.plan.payment_id(payment), created, updated, token, True, None)
            table.rows[row.id] = row
            total = self.plan.payment_total(payment)
            if total:
                banked[payment & 1] += total
                receivable[self.plan.payer(payment)] -= total
        return banked

    def undeposited(self, most: int) -> list[int]:
        """The newest payments that still lie in Undeposited Funds, oldest first."""
        found: list[int] = []
        for payment in range(self.plan.payments - 1, -1, -1):
            if len(found) == most:
                break
            if (
                payment & 1
                and self.plan.payment_total(payment)
                and payment not in self._text.deposits
            ):
                found.append(payment)
        return found[::-1]

    def deposit(self, desk: Desk, payment: int, deposit: str, at: int) -> None:
        """Link a payment to the deposit that took it to the bank."""
        self._text.deposits[payment] = deposit
        row = desk.company.tables["Payment"].rows[self.plan.payment_id(payment)]
        row.sync_token += 1
        row.updated = max(row.updated, at)

    def _summary(
        self,
        desk: Desk,
        receivable: dict[str, int],
        counts: list[int],
        lasts: list[int],
        taxes: int,
        banked: list[int],
    ) -> Iterator[Posting]:
        """All postings of the run, added up per account and customer."""
        chart = desk.company.chart
        for customer, cents in receivable.items():
            yield Posting(chart.receivable, _dollars(cents), ("Customer", customer))
        for account, cents in zip(self._bank, banked, strict=True):
            yield Posting(account["value"], _dollars(cents))
        income: dict[str, int] = {}
        for pattern, count, last in zip(self.plan.patterns, counts, lasts, strict=True):
            for account_id, cents in pattern.fixed.items():
                income[account_id] = income.get(account_id, 0) + cents * count
            income[pattern.last] = income.get(pattern.last, 0) + last
        for account_id, cents in income.items():
            yield Posting(account_id, _dollars(-cents))
        yield Posting(chart.sales_tax, _dollars(-taxes))

    def of_customer(self, id: str) -> Iterator[tuple[str, str]]:
        """Entity and id of every invoice and payment of a customer."""
        for block in range(self.plan.blocks):
            if self.plan.customer_of(block)["value"] == id:
                for slot in range(min(BLOCK, self.plan.invoices - block * BLOCK)):
                    yield "Invoice", self.plan.invoice_id(block, slot)
        for payment in range(self.plan.payments):
            if self.plan.payer(payment) == id:
                yield "Payment", self.plan.payment_id(payment)


def _dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2) if cents else NOTHING
