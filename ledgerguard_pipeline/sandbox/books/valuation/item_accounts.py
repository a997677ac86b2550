"""Where the documents of an item post."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemAccounts:
    """Where an item's documents post: its income account, its cost account, its unit cost.

    Of an item whose stock is counted ``cost`` is the asset account that purchases go to, and
    ``cogs`` the account that takes their cost when it is sold; of others ``cogs`` is empty.
    """

    income: str
    cost: str
    unit_cost: str
    cogs: str = ""
