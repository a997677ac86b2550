"""Where the sandbox keeps the objects of one entity type: live rows in creation order, and graves.

A row either holds its rendered JSON bytes or is rendered on demand, so that a company of a
million invoices fits in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Row:
    """A live object. Times are whole epoch seconds; ``body`` None means: rendered on demand."""

    id: str
    created: int
    updated: int
    sync_token: int
    active: bool
    body: bytes | None


@dataclass(slots=True, frozen=True)
class Grave:
    """A deleted (or merged-away) object, as CDC shows it."""

    id: str
    updated: int


class EntityTable:
    """All objects of one entity type of one company. Not thread-safe: the company locks."""

    def __init__(self, entity: str, render: Callable[[Row], bytes] | None = None) -> None:
        self.entity = entity
        self.rows: dict[str, Row] = {}
        self.graves: dict[str, Grave] = {}
        self.version = 0
        """Moves with every change; caches of orderings hang on it."""
        self._render = render

    def body(self, row: Row) -> bytes:
        """The row's JSON, byte for byte as it will be served and is the ground truth."""
        if row.body is not None:
            return row.body
        if self._render is None:
            raise LookupError(f"{self.entity} {row.id} has no body and no renderer")
        return self._render(row)

    def put(self, row: Row) -> None:
        """Add or replace a live row."""
        self.rows[row.id] = row
        self.graves.pop(row.id, None)
        self.version += 1

    def bury(self, id: str, at: int) -> None:
        """Delete a row; CDC shows the grave from now on."""
        del self.rows[id]
        self.graves[id] = Grave(id, at)
        self.version += 1
