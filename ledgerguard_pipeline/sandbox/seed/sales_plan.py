"""What the number of an invoice or payment means: when, whose, how much, how it was settled.

Invoices come in blocks of five for one customer; each block is followed by a payment that
covers an earlier block, about a month back. All follows from the number and the seed.
"""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, Desk, Ref
from ledgerguard_pipeline.sandbox.seed.line_templates import PATTERNS, make_patterns

FIRST_ID = 9_700
"""So that ids grow from four digits to five early in every company."""
BLOCK = 5
SLOTS = BLOCK + 1
"""Ids a block takes: its invoices and one payment."""
_VOID_SLOT = 2
_MASK = (1 << 64) - 1
# How a payment settles its block, by hash.
_FULL, _OPEN_LAST, _HALF_LAST, _OVERPAID, VOIDED = 0, 1, 2, 3, 4
_HABITS = (_FULL,) * 11 + (_OPEN_LAST, _OPEN_LAST, _HALF_LAST, _HALF_LAST, _OVERPAID)
_EXTRA = 1_010
"""Cents overpaid."""


class SalesPlan:
    """Invoices and payments by block and slot, and by payment number; times in epoch seconds."""

    def __init__(self, desk: Desk, invoices: int) -> None:
        self.invoices = invoices
        self.blocks = -(-invoices // BLOCK)
        self.payments = invoices // BLOCK
        self.lag = self.blocks // 18
        """A payment covers the block this many before its own; the first ones are advances."""
        self.patterns = make_patterns(desk)
        self.buyers = desk.buyers
        self._salt = desk.company.seed * 0x9E3779B97F4A7C15 & _MASK
        self._start = desk.start + DAY * 3
        self.end = desk.end
        self._span = self.end - self._start - 60
        self._step = min(7, self._span // max(1, self.blocks) // 8)
        run = min(self.blocks // 8, 260)
        self._import_first, self._import_last = self.blocks // 3, self.blocks // 3 + run

    def draw(self, number: int) -> int:
        """A repeatable random number of 32 bits."""
        mixed = (number * 0xBF58476D1CE4E5B9 + self._salt) & _MASK
        mixed = ((mixed ^ (mixed >> 29)) * 0x94D049BB133111EB) & _MASK
        return mixed >> 32

    def _time(self, block: int) -> int:
        if self._import_first <= block < self._import_last:
            block = self._import_first
        return self._start + self._span * block // self.blocks

    def moment(self, block: int, slot: int) -> int:
        """When the row of a slot was created; an import of many blocks shares one second."""
        if self._import_first <= block < self._import_last:
            slot = 0
        return self._time(block) + slot * self._step

    def invoice_id(self, block: int, slot: int) -> str:
        """The id of an invoice."""
        return str(FIRST_ID + block * SLOTS + slot)

    def payment_id(self, payment: int) -> str:
        """The id of a payment."""
        return str(FIRST_ID + payment * SLOTS + BLOCK)

    def customer_of(self, block: int) -> Ref:
        """Who bought a block."""
        return self.buyers[self.buyer_of(block)]

    def buyer_of(self, block: int) -> int:
        """The same as an index into the buyers."""
        return self.draw(block * 4 + 1) % len(self.buyers)

    def is_void(self, block: int, slot: int) -> bool:
        """One invoice in two hundred was voided."""
        return slot == _VOID_SLOT and self.draw(block * 4 + 2) % 40 == 7

    def habit(self, payment: int) -> int:
        draw = self.draw(payment * 4 + 3)
        return VOIDED if draw % 199 == 5 else _HABITS[draw & 15]

    def amounts(self, block: int, slot: int) -> tuple[int, int, int]:
        """Pattern, cents of the fifth line, sales tax in cents."""
        draw = self.draw((block * 8 + slot) << 20)
        index = draw % PATTERNS
        pattern = self.patterns[index]
        last = 500 + (draw >> 9) % 49_500
        tax = ((pattern.cents + last) * 8 + 50) // 100 if pattern.taxable else 0
        return index, last, tax

    def invoice_total(self, block: int, slot: int) -> int:
        index, last, tax = self.amounts(block, slot)
        return self.patterns[index].cents + last + tax

    def paid(self, payment: int, slot: int, total: int) -> int:
        """Cents of an invoice that its block's payment covers."""
        if self.is_void(payment - self.lag, slot):
            return 0
        return _share(self.habit(payment), slot, total)

    def void_time(self, payment: int) -> int:
        return min(self.moment(payment, BLOCK) + DAY, self.end)

    def payer(self, payment: int) -> str:
        return self.customer_of(payment - self.lag if payment >= self.lag else payment)["value"]

    def covered(self, payment: int) -> list[tuple[int, int, int]]:
        """Slot, invoice total and cents paid of the invoices a payment covers."""
        block = payment - self.lag
        habit = self.habit(payment)
        if block < 0 or habit == VOIDED:
            return []
        found = []
        for slot in range(BLOCK):
            if slot == _VOID_SLOT and self.is_void(block, slot):
                continue
            total = self.invoice_total(block, slot)
            paid = _share(habit, slot, total)
            if paid:
                found.append((slot, total, paid))
        return found

    def unapplied(self, payment: int) -> int:
        """Cents a payment leaves unapplied: advances of the first month, and overpayments."""
        if payment < self.lag:
            return 25_000 + payment % 100 * 110
        return _EXTRA if self.habit(payment) == _OVERPAID else 0

    def payment_total(self, payment: int) -> int:
        """Cents received; zero for a voided payment."""
        if self.habit(payment) == VOIDED:
            return 0
        return sum(paid for _, _, paid in self.covered(payment)) + self.unapplied(payment)


def _share(habit: int, slot: int, total: int) -> int:
    """What a payment of this habit pays on the invoice in this slot of its block."""
    if habit == VOIDED or (habit == _OVERPAID and slot == 0):
        return 0
    if slot == BLOCK - 1 and habit in (_OPEN_LAST, _HALF_LAST):
        return 0 if habit == _OPEN_LAST else total // 2
    return total
