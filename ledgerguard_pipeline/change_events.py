"""What a webhook says: that something happened to an object, never what the object is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledgerguard_pipeline.entities import ENTITIES, EntityType


class Operation(StrEnum):
    """What happened, in the words of Intuit's webhook page."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    MERGE = "Merge"
    VOID = "Void"
    EMAILED = "Emailed"
    OTHER = "Other"
    """A word this version does not know; the object is read again like after an update."""


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One change of one object, as announced.

    ``key`` is the identity by which duplicates are one; ``event_id`` is Intuit's own id, or one
    made from the key where the delivery carries none. ``entity`` is the registry's spelling where
    it knows the type, otherwise the text as sent. ``absorbed_id`` is the object a merge ended.
    """

    key: str
    event_id: str
    realm_id: str
    entity: str
    object_id: str
    operation: Operation
    occurred_at: datetime | None
    absorbed_id: str | None = None

    @property
    def entity_type(self) -> EntityType | None:
        """The type to read, or None where there is none that can be read by id."""
        return readable_type(self.entity)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a delivery that names no object to read; ``excerpt`` is printable ASCII.

    ``realm_id`` and ``entity`` are what can be said of it, and empty otherwise.
    """

    key: str
    reason: str
    excerpt: str
    realm_id: str = ""
    entity: str = ""


def readable_type(name: str) -> EntityType | None:
    """The type an event's entity name means, in any case; ``Currency`` is CompanyCurrency."""
    return _TYPES.get(name.casefold())


_TYPES = {
    name.casefold(): entity
    for entity in ENTITIES
    if entity.identified
    for name in (*entity.json_keys[1:], entity.name)
}
