"""The ways of reading one type, best first: each takes over where the one before cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.readers.base import Chunk, CountComparison, EntityReader
from ledgerguard_pipeline.values import Mode

WAYS: dict[Mode, Sequence[Mode]] = {
    Mode.CDC: (Mode.CDC, Mode.QUERY, Mode.FULL),
    Mode.QUERY: (Mode.QUERY, Mode.FULL),
}
"""Change data capture may not serve a type, a query may not be filtered by time or may show by its
count that changes alone do not tell the truth; reading all rows always does."""


class Way(EntityReader, Protocol):
    """A reader that may find that another way is needed."""

    gave_up: bool
    """Whether ``chunks`` ended without having brought the type up to date."""


class FallbackReader:
    """Reads by the first way that can tell. ``reader_by`` is asked for one only when it is due."""

    def __init__(
        self,
        plan: EntityPlan,
        queries: EntityQueries,
        ways: Sequence[Mode],
        reader_by: Callable[[Mode], Way],
    ) -> None:
        self.plan = plan
        self.queries = queries
        self._left = list(ways)
        self._reader_by = reader_by
        self._way = self._next()
        self.comparison: CountComparison = self._way.comparison

    @property
    def mode(self) -> Mode:
        return self._way.mode

    @property
    def ready(self) -> bool:
        return self._way.ready

    def activate(self) -> None:
        self._way.activate()

    def close(self) -> None:
        self._way.close()

    def chunks(self) -> Iterator[Chunk]:
        yield from self._way.chunks()
        while self._way.gave_up:
            self._way.close()
            self._way = self._next()
            self._way.activate()
            yield from self._way.chunks()
            self.comparison = self._way.comparison

    def _next(self) -> Way:
        return self._reader_by(self._left.pop(0))
