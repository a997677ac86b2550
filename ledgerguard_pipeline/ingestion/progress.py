"""Live progress of a sync, for anyone watching.

The sync reports to the sink of the current context, so that the command line can draw bars
while the very same Dagster job runs that the UI starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.values import RealmId


class ProgressSink(Protocol):
    """Receives events, possibly from several threads; must not raise or block."""

    def started(self, realm_id: RealmId, entities: tuple[str, ...]) -> None:
        """A company's sync begins."""

    def page(self, realm_id: RealmId, entity: str, rows: int, expected: int | None) -> None:
        """Rows of an entity arrived; ``expected`` is the count asked beforehand, if any."""

    def committed(self, realm_id: RealmId, entity: str, rows: int) -> None:
        """Rows of an entity are durable in Bronze."""

    def calls(self, realm_id: RealmId, http_calls: int) -> None:
        """Total HTTP calls of this sync so far."""

    def finished(self, result: EntityResult) -> None:
        """An entity is done, well or not."""


class _Nobody:
    """Nobody is watching."""

    def started(self, realm_id: RealmId, entities: tuple[str, ...]) -> None: ...

    def page(self, realm_id: RealmId, entity: str, rows: int, expected: int | None) -> None: ...

    def committed(self, realm_id: RealmId, entity: str, rows: int) -> None: ...

    def calls(self, realm_id: RealmId, http_calls: int) -> None: ...

    def finished(self, result: EntityResult) -> None: ...


_NOBODY: ProgressSink = _Nobody()
_current: ContextVar[ProgressSink | None] = ContextVar("ledgerguard_progress", default=None)


def current_progress() -> ProgressSink:
    """The sink of this context; take it once at the start and pass it to threads."""
    return _current.get() or _NOBODY


@contextmanager
def use_progress(sink: ProgressSink) -> Iterator[None]:
    """Send the progress of every sync started inside the block to ``sink``."""
    token = _current.set(sink)
    try:
        yield
    finally:
        _current.reset(token)
