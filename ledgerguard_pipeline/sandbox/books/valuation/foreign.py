"""Documents in another currency, as the ledger books them: in home currency, to the cent.

``ExchangeRate`` is how much of the home currency one unit is worth. Each leg is rounded by itself;
what then is left, and what moved between the rates of an invoice and its payment, is gain or loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.ledger import Posting, times, total

_CENT = Decimal("0.01")


def in_home_currency(legs: Sequence[Posting], rate: Decimal, gain: str) -> list[Posting]:
    """The legs at the document's ``rate``, or each at its own; ``gain`` takes the difference."""
    home = [
        Posting(
            leg.account,
            times(leg.amount, rate if leg.rate is None else leg.rate).quantize(
                _CENT, ROUND_HALF_UP
            ),
            leg.party,
        )
        for leg in legs
    ]
    rest = total(leg.amount for leg in home)
    if rest:
        home.append(Posting(gain, -rest))
    return home
