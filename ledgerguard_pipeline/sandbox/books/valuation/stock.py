"""What sold goods had cost: first in, first out, over all documents that move counted stock.

The cost of a sale is in no document; the ledger books it beside the sale. Which purchase a
sale takes from depends on every earlier document, so one edit may change the cost of many sales.
Purchases add layers, sales take from the oldest, returns of customers come back at the item's
unit cost. Stock counts and returns to vendors leave the layers alone: they have values of their
own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, minus, plus, times
from ledgerguard_pipeline.sandbox.books.valuation.item_accounts import ItemAccounts

CENT = Decimal("0.01")
_IN = frozenset({"Bill", "Purchase"})
_OUT = {"Invoice": 1, "SalesReceipt": 1, "CreditMemo": -1, "RefundReceipt": -1}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Move:
    """Units of an item that came (with what they cost) or, negative, went."""

    item: str
    date: str
    key: Key
    units: Decimal
    amount: Decimal


class StockRegister:
    """The documents that move stock, and what each sale of them had cost."""

    def __init__(self) -> None:
        self._moves: dict[Key, list[_Move]] = {}
        self._costs: dict[Key, list[Posting]] = {}

    def copied(self) -> StockRegister:
        """The same in another company."""
        other = StockRegister()
        other._moves, other._costs = dict(self._moves), dict(self._costs)
        return other

    def costs(self, key: Key) -> list[Posting]:
        """The cost legs of a document, balanced; empty for one that sells no stock."""
        return self._costs.get(key, [])

    def sales(self) -> Iterator[Key]:
        """The documents that have cost legs."""
        yield from self._costs

    def open(self, item: str, date: str, key: Key, units: Decimal, amount: Decimal) -> None:
        """Let an item start with so many units of this value."""
        self._moves[key] = [_Move(item, date, key, units, amount)]

    def change(self, key: Key, doc: Doc | None, items: Mapping[str, ItemAccounts]) -> list[Posting]:
        """A document was written, changed or (None) taken away: the legs to post for it.

        They are the difference to the cost legs of all documents before.
        """
        moves = [] if doc is None else list(_moves(key, doc, items))
        if not moves and key not in self._moves:
            return []
        self._moves.pop(key, None)
        if moves:
            self._moves[key] = moves
        before, self._costs = self._costs, self._calculated(items)
        return [
            Posting(leg.account, sign * leg.amount)
            for known, sign in ((before, -1), (self._costs, 1))
            for legs in known.values()
            for leg in legs
        ]

    def _calculated(self, items: Mapping[str, ItemAccounts]) -> dict[Key, list[Posting]]:
        by_item: defaultdict[str, list[_Move]] = defaultdict(list)
        for moves in self._moves.values():
            for move in moves:
                by_item[move.item].append(move)
        costs: defaultdict[Key, list[Posting]] = defaultdict(list)
        for item, moves in by_item.items():
            accounts = items[item]
            for key, cost in _first_in_first_out(moves, Decimal(accounts.unit_cost)):
                costs[key] += [Posting(accounts.cogs, cost), Posting(accounts.cost, -cost)]
        return dict(costs)


def _first_in_first_out(moves: list[_Move], unit_cost: Decimal) -> Iterator[tuple[Key, Decimal]]:
    layers: list[tuple[Decimal, Decimal]] = []
    for move in sorted(moves, key=lambda each: (each.date, each.units < 0, each.key)):
        if move.units > 0 and move.key[0] not in _OUT:
            layers.append((move.units, move.amount))
        elif move.units > 0:
            back = _cents(times(move.units, unit_cost))
            layers.append((move.units, back))
            yield move.key, -back
        else:
            yield move.key, _take(layers, -move.units, unit_cost)


def _take(layers: list[tuple[Decimal, Decimal]], units: Decimal, unit_cost: Decimal) -> Decimal:
    """What these units had cost; beyond the last layer the unit cost counts."""
    cost = NOTHING
    while units > 0 and layers:
        there, amount = layers.pop(0)
        if there > units:
            part = _cents(amount * units / there)
            layers.insert(0, (minus(there, units), minus(amount, part)))
            return plus(cost, part)
        cost, units = plus(cost, amount), minus(units, there)
    return plus(cost, _cents(times(units, unit_cost)))


def _moves(key: Key, doc: Doc, items: Mapping[str, ItemAccounts]) -> Iterator[_Move]:
    entity, _ = key
    detail_key = "ItemBasedExpenseLineDetail" if entity in _IN else "SalesItemLineDetail"
    if (entity not in _IN and entity not in _OUT) or doc.get("Credit") is True:
        return
    for line in lines_inside(doc):
        detail = line.get(detail_key)
        item = detail["ItemRef"]["value"] if detail else ""
        if detail is None or item not in items or not items[item].cogs:
            continue
        units = Decimal(str(detail.get("Qty", "0")))
        signed = units if entity in _IN else -_OUT[entity] * units
        if signed:
            yield _Move(item, doc["TxnDate"], key, signed, Decimal(line["Amount"]))


def lines_inside(doc: Doc) -> Iterator[Doc]:
    """The lines of a document, those of a bundle in place of the bundle itself."""
    for line in doc.get("Line", []):
        bundle = line.get("GroupLineDetail")
        if bundle is None:
            yield line
        else:
            yield from bundle["Line"]


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
