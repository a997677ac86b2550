"""The bulk of the books: invoices and their payments, rendered on demand from their number.

Invoices come in blocks of five for one customer; each block is followed by a payment that
covers an earlier block, about a month back. Everything about a row follows from its number, the
seed and the stored times, so a million invoices hold no bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ledgerguard_pipeline.sandbox.desk import DAY, TRANSACTIONS, Desk
from ledgerguard_pipeline.sandbox.jsontext import dump
from ledgerguard_pipeline.sandbox.ledger import NOTHING, Posting
from ledgerguard_pipeline.sandbox.pacific import day_text, write_time
from ledgerguard_pipeline.sandbox.patterns import PATTERNS, make_patterns
from ledgerguard_pipeline.sandbox.shelf import Row, Shelf

FIRST_ID = 9_700
"""So that ids grow from four digits to five early in every company."""
BLOCK = 5
_SLOTS = BLOCK + 1
_VOID_SLOT = 2
_MASK = (1 << 64) - 1
_MEMOS = ("Thank you for your business!", "Merci, à bientôt 🌷", "شكرا لكم", "Don't be late")
# How a payment settles its block, by hash.
_FULL, _OPEN_LAST, _HALF_LAST, _OVERPAID, _VOIDED = 0, 1, 2, 3, 4
_HABITS = (_FULL,) * 11 + (_OPEN_LAST, _OPEN_LAST, _HALF_LAST, _HALF_LAST, _OVERPAID)
_EXTRA = 1_010
"""Cents overpaid."""


class SalesRun:
    """Invoices and payments by number; see the module."""

    def __init__(self, desk: Desk, invoices: int) -> None:
        self.invoices = invoices
        self.blocks = -(-invoices // BLOCK)
        self.payments = invoices // BLOCK
        self.lag = self.blocks // 18
        self._salt = desk.company.seed * 0x9E3779B97F4A7C15 & _MASK
        self._start = desk.start + DAY * 3
        self._end = desk.end
        self._span = self._end - self._start - 60
        self._step = min(7, self._span // max(1, self.blocks) // 8)
        run = min(self.blocks // 8, 260)
        self._import_first, self._import_last = self.blocks // 3, self.blocks // 3 + run
        self._patterns = make_patterns(desk)
        self._bought = desk.buyers
        self._customers = [self._customer_text(index) for index in range(len(self._bought))]
        self._payers = [dump(dict(each)).decode() for each in self._bought]
        self._bank = (desk.accounts["checking"], desk.accounts["undeposited"])
        self._bank_texts = [dump(dict(each)).decode() for each in self._bank]
        self._method_texts = [dump(dict(each)).decode() for each in desk.methods[:4]]
        self._deposits: dict[int, str] = {}
        """Payment number to the deposit that took it to the bank."""

    def _customer_text(self, index: int) -> str:
        customer = self._bought[index]
        return dump(
            {
                "CustomerRef": customer,
                "CustomerMemo": {"value": _MEMOS[index % len(_MEMOS)]},
            }
        ).decode()[1:-1]

    # -- what a number means ------------------------------------------------------------------

    def _hash(self, number: int) -> int:
        mixed = (number * 0xBF58476D1CE4E5B9 + self._salt) & _MASK
        mixed = ((mixed ^ (mixed >> 29)) * 0x94D049BB133111EB) & _MASK
        return mixed >> 32

    def _time(self, block: int) -> int:
        if self._import_first <= block < self._import_last:
            block = self._import_first
        return self._start + self._span * block // self.blocks

    def _moment(self, block: int, slot: int) -> int:
        """When the row of a slot was created; an import of many blocks shares one second."""
        if self._import_first <= block < self._import_last:
            slot = 0
        return self._time(block) + slot * self._step

    def invoice_id(self, block: int, slot: int) -> str:
        """The id of an invoice."""
        return str(FIRST_ID + block * _SLOTS + slot)

    def payment_id(self, payment: int) -> str:
        """The id of a payment."""
        return str(FIRST_ID + payment * _SLOTS + BLOCK)

    def customer_of(self, block: int) -> dict[str, str]:
        """Who bought a block."""
        return self._bought[self._hash(block * 4 + 1) % len(self._bought)]

    def is_void(self, block: int, slot: int) -> bool:
        """One invoice in two hundred was voided."""
        return slot == _VOID_SLOT and self._hash(block * 4 + 2) % 40 == 7

    def _habit(self, payment: int) -> int:
        draw = self._hash(payment * 4 + 3)
        return _VOIDED if draw % 199 == 5 else _HABITS[draw & 15]

    def _amounts(self, block: int, slot: int) -> tuple[int, int, int]:
        """Pattern, cents of the fifth line, sales tax in cents."""
        draw = self._hash((block * 8 + slot) << 20)
        index = draw % PATTERNS
        pattern = self._patterns[index]
        last = 500 + (draw >> 9) % 49_500
        tax = ((pattern.cents + last) * 8 + 50) // 100 if pattern.taxable else 0
        return index, last, tax

    def _sum(self, block: int, slot: int) -> int:
        index, last, tax = self._amounts(block, slot)
        return self._patterns[index].cents + last + tax

    def _paid(self, payment: int, slot: int, total: int) -> int:
        """Cents of an invoice that its block's payment covers."""
        if self.is_void(payment - self.lag, slot):
            return 0
        return _share(self._habit(payment), slot, total)

    # -- building -----------------------------------------------------------------------------

    def fill(self, desk: Desk) -> None:
        """Put all rows on the shelves and post what they add up to."""
        company = desk.company
        company.shelves["Invoice"] = Shelf("Invoice", self.render_invoice)
        company.shelves["Payment"] = Shelf("Payment", self.render_payment)
        receivable: dict[str, int] = {}
        counts = [0] * PATTERNS
        lasts = [0] * PATTERNS
        taxes = 0
        rows = company.shelves["Invoice"].rows
        for block in range(self.blocks):
            customer = self.customer_of(block)["value"]
            owed = 0
            for slot in range(min(BLOCK, self.invoices - block * BLOCK)):
                row = self._invoice_row(block, slot)
                rows[row.id] = row
                if not self.is_void(block, slot):
                    index, last, tax = self._amounts(block, slot)
                    counts[index] += 1
                    lasts[index] += last
                    taxes += tax
                    owed += self._patterns[index].cents + last + tax
            receivable[customer] = receivable.get(customer, 0) + owed
        banked = self._fill_payments(company.shelves["Payment"], receivable)
        company.shelves["Invoice"].version += 1
        company.shelves["Payment"].version += 1
        company.reserve(TRANSACTIONS, FIRST_ID + self.blocks * _SLOTS + 1)
        at = self._moment(self.blocks - 1, BLOCK) if self.blocks else self._start
        desk.company.ledger.post(self._summary(desk, receivable, counts, lasts, taxes, banked), at)

    def _invoice_row(self, block: int, slot: int) -> Row:
        created = updated = self._moment(block, slot)
        token = 0
        payment = block + self.lag
        if self.is_void(block, slot):
            token, updated = 1, min(created + 2 * DAY, self._end)
        elif payment < self.payments:
            paid = self._paid(payment, slot, 2)
            if self._habit(payment) == _VOIDED:
                token, updated = 2, self._void_time(payment)
            elif paid:
                token, updated = 1, self._moment(payment, BLOCK)
        return Row(self.invoice_id(block, slot), created, updated, token, True, None)

    def _void_time(self, payment: int) -> int:
        return min(self._moment(payment, BLOCK) + DAY, self._end)

    def _fill_payments(self, shelf: Shelf, receivable: dict[str, int]) -> list[int]:
        banked = [0, 0]
        for payment in range(self.payments):
            created = updated = self._moment(payment, BLOCK)
            token = 0
            if self._habit(payment) == _VOIDED:
                token, updated = 1, self._void_time(payment)
            row = Row(self.payment_id(payment), created, updated, token, True, None)
            shelf.rows[row.id] = row
            total = self.payment_total(payment)
            if total:
                banked[payment & 1] += total
                receivable[self._payer(payment)] -= total
        return banked

    def _payer(self, payment: int) -> str:
        return self.customer_of(payment - self.lag if payment >= self.lag else payment)["value"]

    def undeposited(self, most: int) -> list[int]:
        """The newest payments that still lie in Undeposited Funds, oldest first."""
        found: list[int] = []
        for payment in range(self.payments - 1, -1, -1):
            if len(found) == most:
                break
            if payment & 1 and self.payment_total(payment) and payment not in self._deposits:
                found.append(payment)
        return found[::-1]

    def created(self, payment: int) -> int:
        """When a payment was received."""
        return self._moment(payment, BLOCK)

    def deposit(self, desk: Desk, payment: int, deposit: str, at: int) -> None:
        """Link a payment to the deposit that took it to the bank."""
        self._deposits[payment] = deposit
        row = desk.company.shelves["Payment"].rows[self.payment_id(payment)]
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
        for pattern, count, last in zip(self._patterns, counts, lasts, strict=True):
            for account_id, cents in pattern.fixed.items():
                income[account_id] = income.get(account_id, 0) + cents * count
            income[pattern.last] = income.get(pattern.last, 0) + last
        for account_id, cents in income.items():
            yield Posting(account_id, _dollars(-cents))
        yield Posting(chart.sales_tax, _dollars(-taxes))

    def _covered(self, payment: int) -> list[tuple[int, int, int]]:
        """Slot, invoice total and cents paid of the invoices a payment covers."""
        block = payment - self.lag
        habit = self._habit(payment)
        if block < 0 or habit == _VOIDED:
            return []
        found = []
        for slot in range(BLOCK):
            if slot == _VOID_SLOT and self.is_void(block, slot):
                continue
            total = self._sum(block, slot)
            paid = _share(habit, slot, total)
            if paid:
                found.append((slot, total, paid))
        return found

    def _unapplied(self, payment: int) -> int:
        """Cents a payment leaves unapplied: advances of the first month, and overpayments."""
        if payment < self.lag:
            return 25_000 + payment % 100 * 110
        return _EXTRA if self._habit(payment) == _OVERPAID else 0

    def payment_total(self, payment: int) -> int:
        """Cents received; zero for a voided payment."""
        if self._habit(payment) == _VOIDED:
            return 0
        return sum(paid for _, _, paid in self._covered(payment)) + self._unapplied(payment)

    def of_customer(self, id: str) -> Iterator[tuple[str, str]]:
        """Entity and id of every invoice and payment of a customer."""
        for block in range(self.blocks):
            if self.customer_of(block)["value"] == id:
                for slot in range(min(BLOCK, self.invoices - block * BLOCK)):
                    yield "Invoice", self.invoice_id(block, slot)
        for payment in range(self.payments):
            if self._payer(payment) == id:
                yield "Payment", self.payment_id(payment)

    # -- rendering ----------------------------------------------------------------------------

    def render_invoice(self, row: Row) -> bytes:
        """The invoice of a row that nobody has edited."""
        block, slot = divmod(int(row.id) - FIRST_ID, _SLOTS)
        index, last, tax = self._amounts(block, slot)
        pattern = self._patterns[index]
        payment = block + self.lag
        linked = note = ""
        if self.is_void(block, slot):
            lines, subtotal, total, balance = pattern.voided, "0", "0", "0"
            taxed, note = '"TotalTax":0', '"PrivateNote":"Voided",'
        else:
            sub = pattern.cents + last
            open_cents = whole = sub + tax
            if payment < self.payments:
                paid = self._paid(payment, slot, whole)
                if paid:
                    open_cents -= paid
                    linked = (
                        f'{{"TxnId":"{FIRST_ID + payment * _SLOTS + BLOCK}","TxnType":"Payment"}}'
                    )
            price = f"{last // 100}.{last % 100:02d}"
            lines = f"{pattern.before}{price}{pattern.between}{price}{pattern.after}"
            subtotal = f"{sub // 100}.{sub % 100:02d}"
            total = f"{whole // 100}.{whole % 100:02d}"
            balance = f"{open_cents // 100}.{open_cents % 100:02d}" if open_cents else "0"
            taxed = '"TotalTax":0'
            if tax:
                cents = f"{tax // 100}.{tax % 100:02d}"
                taxed = f'"TxnTaxCodeRef":{{"value":"2"}},"TotalTax":{cents}'
        customer = self._customers[self._hash(block * 4 + 1) % len(self._customers)]
        return (
            f'{{"domain":"QBO","sparse":false,"Id":"{row.id}","SyncToken":"{row.sync_token}",'
            f'"MetaData":{{"CreateTime":"{write_time(row.created)}",'
            f'"LastUpdatedTime":"{write_time(row.updated)}"}},'
            f'"DocNumber":"{row.id}","TxnDate":"{day_text(row.created)}",'
            '"CurrencyRef":{"value":"USD"},'
            f'{note}"LinkedTxn":[{linked}],"Line":[{lines},{{"Amount":{subtotal},'
            '"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{}}],'
            f'"TxnTaxDetail":{{{taxed}}},{customer},"SalesTermRef":{{"value":"3"}},'
            f'"DueDate":"{day_text(row.created, 30)}","TotalAmt":{total},'
            '"ApplyTaxAfterDiscount":false,'
            f'"Balance":{balance}}}'
        ).encode()

    def render_payment(self, row: Row) -> bytes:
        """The payment of a row that nobody has edited."""
        payment = (int(row.id) - FIRST_ID) // _SLOTS
        block = payment - self.lag if payment >= self.lag else payment
        void = self._habit(payment) == _VOIDED
        covered = self._covered(payment)
        unapplied = 0 if void else self._unapplied(payment)
        total = sum(paid for _, _, paid in covered) + unapplied
        lines = ",".join(
            [
                f'{{"Amount":{paid // 100}.{paid % 100:02d},"LinkedTxn":[{{"TxnId":'
                f'"{FIRST_ID + block * _SLOTS + slot}","TxnType":"Invoice"}}]'
                f"{_line_ex(whole) if unapplied else ''}}}"
                for slot, whole, paid in covered
            ]
        )
        note = '"PrivateNote":"Voided",' if void else ""
        deposit = self._deposits.get(payment)
        linked = f'{{"TxnId":"{deposit}","TxnType":"Deposit"}}' if deposit else ""
        customer = self._payers[self._hash(block * 4 + 1) % len(self._payers)]
        return (
            f'{{"CustomerRef":{customer},"DepositToAccountRef":{self._bank_texts[payment & 1]},'
            f'"PaymentMethodRef":{self._method_texts[payment % 4]},"PaymentRefNum":"{row.id}",'
            f'"UnappliedAmt":{unapplied // 100}.{unapplied % 100:02d},'
            f'"TotalAmt":{f"{total // 100}.{total % 100:02d}" if total else "0"},'
            f'"ProcessPayment":false,"domain":"QBO","sparse":false,"Id":"{row.id}",'
            f'"SyncToken":"{row.sync_token}",'
            f'"MetaData":{{"CreateTime":"{write_time(row.created)}",'
            f'"LastUpdatedTime":"{write_time(row.updated)}"}},'
            f'"TxnDate":"{day_text(row.created)}",'
            '"CurrencyRef":{"value":"USD","name":"United States Dollar"},'
            f'{note}"Line":[{lines}],"LinkedTxn":[{linked}]}}'
        ).encode()


def _dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2) if cents else NOTHING


def _share(habit: int, slot: int, total: int) -> int:
    """What a payment of this habit pays on the invoice in this slot of its block."""
    if habit == _VOIDED or (habit == _OVERPAID and slot == 0):
        return 0
    if slot == BLOCK - 1 and habit in (_OPEN_LAST, _HALF_LAST):
        return 0 if habit == _OPEN_LAST else total // 2
    return total


def _line_ex(cents: int) -> str:
    """The open balance before the payment, in the wrapper Intuit's server leaks."""
    return (
        ',"LineEx":{"any":[{"name":"{http://schema.intuit.com/finance/v3}NameValue",'
        '"declaredType":"com.intuit.schema.finance.v3.NameValue",'
        '"scope":"javax.xml.bind.JAXBElement$GlobalScope","value":{"Name":"txnOpenBalance",'
        f'"Value":"{cents // 100}.{cents % 100:02d}"}},"nil":false,"globalScope":true,'
        '"typeSubstituted":false}]}'
    )
