"""A grant whose person lost rights: answers lack objects, and no fault says so.

Seen once in production: empty answers for all kinds of transactions while accounts went on
working. What a single read gives then is not known, so every variant can be chosen.
"""

from __future__ import annotations

from math import ceil
from typing import Literal

import msgspec

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable

Surface = Literal["query", "count", "cdc"]


class Silence(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which types are silent, on which answers, and about which share of their objects.

    ``read`` is what a single read of a hidden object gives: the object, fault 5020, or an answer
    with nothing in it.
    """

    entities: frozenset[str]
    answers: frozenset[Surface] = frozenset({"query", "count", "cdc"})
    share: float = 1.0
    read: Literal["served", "refused", "empty"] = "served"

    def hidden(self, table: EntityTable, surface: Surface) -> frozenset[str]:
        """Ids of a type that an answer of this kind does not show: the oldest ones."""
        if surface not in self.answers:
            return frozenset()
        return self._hidden(table)

    def empties(self, table: EntityTable, id: str) -> bool:
        """Whether a single read of this object answers with nothing.

        Raises:
            Refusal: the read is refused.
        """
        if self.read == "served" or id not in self._hidden(table):
            return False
        if self.read == "refused":
            raise Refusal("5020", "Permission Denied Error", "You have no permission to do that.")
        return True

    def _hidden(self, table: EntityTable) -> frozenset[str]:
        if table.entity not in self.entities:
            return frozenset()
        ordered = sorted(table.rows, key=lambda id: (len(id), id))
        return frozenset(ordered[: ceil(len(ordered) * self.share)])
