"""The general ledger behind the sandbox's documents: exact, double entry, debit positive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

_EXACT = Context(prec=200)
"""Wide enough that no sum of the awkward amounts is ever rounded."""

NOTHING = Decimal(0)


def plus(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum."""
    return _EXACT.add(left, right)


def minus(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference."""
    return _EXACT.subtract(left, right)


def times(left: Decimal, right: Decimal) -> Decimal:
    """The exact product."""
    return _EXACT.multiply(left, right)


def signed(value: Decimal, sign: int) -> Decimal:
    """The value itself, or for ``sign`` -1 its opposite; exact, as Python's own minus is not."""
    return value.copy_negate() if sign < 0 and value else value


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum of many."""
    result = NOTHING
    for value in values:
        result = _EXACT.add(result, value)
    return result


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of a document: debits positive, credits negative, in home currency.

    ``party`` is the customer or vendor (``("Customer", "12")``) whose open balance it moves.
    ``rate`` is set only while a document in another currency is being posted: the exchange rate of
    this leg, where it is not the document's own.
    """

    account: str
    amount: Decimal
    party: tuple[str, str] | None = None
    rate: Decimal | None = None


class UnbalancedError(ValueError):
    """A document's debits and credits differ: a fault of the sandbox itself."""


class Ledger:
    """Balances by account and by party, and when each was last moved (epoch seconds)."""

    def __init__(self) -> None:
        self.accounts: dict[str, Decimal] = {}
        self.parties: dict[tuple[str, str], Decimal] = {}
        self.account_moved: dict[str, int] = {}
        self.party_moved: dict[tuple[str, str], int] = {}

    def post(self, postings: Iterable[Posting], at: int) -> None:
        """Post one balanced set of legs.

        Raises:
            UnbalancedError: debits and credits differ; nothing is posted.
        """
        legs = list(postings)
        if total(leg.amount for leg in legs) != 0:
            raise UnbalancedError(f"legs do not balance: {legs}")
        for leg in legs:
            if leg.amount == 0:
                continue
            self.accounts[leg.account] = plus(self.balance(leg.account), leg.amount)
            self.account_moved[leg.account] = max(self.account_moved.get(leg.account, 0), at)
            if leg.party is not None:
                self.parties[leg.party] = plus(self.parties.get(leg.party, NOTHING), leg.amount)
                self.party_moved[leg.party] = max(self.party_moved.get(leg.party, 0), at)

    def balance(self, account: str) -> Decimal:
        """The balance of an account; debit balances are positive."""
        return self.accounts.get(account, NOTHING)

    def trial_balance(self) -> Decimal:
        """The sum over all accounts: zero in sound books."""
        return total(self.accounts.values())


def reversed_legs(postings: Iterable[Posting]) -> list[Posting]:
    """The legs that undo these."""
    return [Posting(leg.account, -leg.amount, leg.party) for leg in postings]
