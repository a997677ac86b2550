"""What an edit says about one object; webhooks are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """One object an edit changed.

    ``op`` is ``Create``, ``Update``, ``Delete``, ``Void``, ``Merge`` or ``Emailed``, as webhooks
    spell it, or ``Touch`` for a balance that moved: LastUpdatedTime without SyncToken, and no
    event. ``deleted_id`` is the loser of a merge, ``made_inactive`` tells that this update took
    a list member out of use.
    """

    entity: str
    id: str
    op: str
    at: int
    deleted_id: str | None = None
    made_inactive: bool = False


class Observer(Protocol):
    """Somebody who learns of every edit of a company, in the order they were made."""

    def edited(self, realm_id: str, changes: Sequence[Change]) -> None:
        """Called with the company's lock held: must be quick and must not raise."""
        ...
