"""The results of the client: pages, changes and counts, each with its lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import QBOAPIError
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.values import Record, Reject


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one statement. ``rows`` counts all of them, ``rejects`` included.

    ``time`` is the server's own time of the answer (UTC), ``bytes`` the size of its body,
    ``limit`` how many rows were asked for in the end; None where it is as many as at first.
    """

    entity: EntityType
    records: list[Record]
    rejects: list[Reject]
    rows: int
    time: datetime
    request_id: str | None
    bytes: int
    limit: int | None = None

    @property
    def full(self) -> bool:
        """Whether there may be more rows than these."""
        return self.rows >= (self.limit or MAX_ROWS)


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """What changed in one type; ``fault`` is set where Intuit failed just this type."""

    entity: EntityType
    records: list[Record]
    tombstones: list[Record]
    rejects: list[Reject]
    fault: QBOAPIError | None = None

    @property
    def rows(self) -> int:
        """All objects Intuit put into the group."""
        return len(self.records) + len(self.tombstones) + len(self.rejects)


@dataclass(frozen=True, slots=True)
class Changes:
    """One change-data-capture answer, by entity name; every requested type has a group.

    ``capped`` means the answer may be cut at Intuit's 1000 objects: tombstones come last in a
    group, so deletes are what a cut loses first. ``time`` is the server's (UTC).
    """

    groups: Mapping[str, ChangeGroup]
    time: datetime
    request_id: str | None
    capped: bool


class Counts(dict[str, "int | QBOAPIError"]):
    """Objects per entity name, or the fault that kept one from being counted.

    ``time`` is the server's time (UTC) before which all counts were taken.
    """

    def __init__(
        self, counts: Mapping[str, int | QBOAPIError], time: datetime, request_id: str | None
    ) -> None:
        super().__init__(counts)
        self.time = time
        self.request_id = request_id
