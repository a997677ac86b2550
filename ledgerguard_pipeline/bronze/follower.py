"""What comes after a commit of Bronze: tables that are made from it.

Bronze does not know what they are. It says what it wrote and hands over its own way of writing:
for a file the session that is open anyway, for a lake one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.loads import LoadOutcome

Work = Callable[[OpenStore, set[str]], None]
"""Called with an open store that may be written, and the tables of Bronze."""
Run = Callable[[Work], None]


class Follower(Protocol):
    """Kept level with Bronze; safe to use from several threads."""

    def follow(
        self, run: Run, written: Mapping[str, Collection[str]], realms: Collection[str]
    ) -> None:
        """Bring up to date what is made of the companies ``written`` (by entity name).

        ``realms`` are all companies of the commit, also those of which nothing was written.
        Never fails for reasons of its own: Bronze's rows are safe already.
        """
        ...

    def level(self, realm: str) -> bool:
        """Whether what is made of a company has every row that this process committed of it."""
        ...

    def forget(self, session: OpenStore, realm: str) -> None:
        """Versions of a company were changed in place, in the session's open transaction."""
        ...

    def copy(self, session: OpenStore, target: str) -> None:
        """Put copies into the attached catalog ``target``, in the session's open transaction."""
        ...

    def bring(self, session: OpenStore, source: str) -> None:
        """Take what cannot be made of Bronze from the attached catalog ``source``, in the same way."""
        ...


class Nobody:
    """Nothing is made from Bronze."""

    def follow(
        self, run: Run, written: Mapping[str, Collection[str]], realms: Collection[str]
    ) -> None:
        """Do nothing."""

    def level(self, realm: str) -> bool:
        """Nothing is made, so nothing is level."""
        del realm
        return False

    def forget(self, session: OpenStore, realm: str) -> None:
        """Do nothing."""

    def copy(self, session: OpenStore, target: str) -> None:
        """Do nothing."""

    def bring(self, session: OpenStore, source: str) -> None:
        """Do nothing."""


def follow(follower: Follower, outcomes: Sequence[LoadOutcome], run: Run) -> None:
    """Tell a follower what a commit brought."""
    written: dict[str, set[str]] = {}
    for outcome in outcomes:
        if outcome.written or outcome.deleted:
            written.setdefault(outcome.entity, set()).add(outcome.realm_id)
    follower.follow(run, written, {outcome.realm_id for outcome in outcomes})
