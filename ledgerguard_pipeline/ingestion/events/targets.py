"""From events to the objects to read: many events about one object are one read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.entities import EntityType

_ENDS = frozenset({Operation.DELETE, Operation.MERGE})


@dataclass(slots=True)
class ChangedObject:
    """One object and everything that was announced about it.

    ``ended`` means that an event says the object is gone: should a read not find it, that is no
    surprise. ``missed`` means that it was looked for some time ago and not found: should that be
    so again, it is gone. ``merged_into`` is the survivor of the merge that ended it. An event only
    ever causes a read: what the read shows is what counts.
    """

    entity: EntityType
    object_id: str
    events: list[ChangeEvent] = field(default_factory=list)
    ended: bool = False
    missed: bool = False
    merged_into: str | None = None

    @property
    def event_id(self) -> str:
        """Of the latest event, as far as times are given; of the last one to arrive otherwise."""
        return max(enumerate(self.events), key=_moment)[1].event_id

    @property
    def occurred_at(self) -> datetime | None:
        """When the earliest of the events happened; None if one of them does not say."""
        moments = [event.occurred_at for event in self.events]
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) else None


def coalesce(
    events: Iterable[ChangeEvent], missed: Collection[str] = frozenset()
) -> list[ChangedObject]:
    """The objects these events are about, in order of first mention.

    A merge concerns two: the survivor it names and the object that ended in it. ``missed`` are
    keys of events whose objects were not found before.
    """
    found: dict[tuple[str, str], ChangedObject] = {}

    def target(entity: EntityType, object_id: str, event: ChangeEvent) -> ChangedObject:
        each = found.setdefault((entity.name, object_id), ChangedObject(entity, object_id))
        each.events.append(event)
        each.missed = each.missed or event.key in missed
        return each

    for event in events:
        entity = event.entity_type
        if entity is None:
            continue
        named = target(entity, event.object_id, event)
        if event.operation is Operation.DELETE:
            named.ended = True
        if event.absorbed_id is not None and event.absorbed_id != event.object_id:
            absorbed = target(entity, event.absorbed_id, event)
            absorbed.ended = absorbed.ended or event.operation in _ENDS
            if event.operation is Operation.MERGE:
                absorbed.merged_into = event.object_id
    return list(found.values())


def _moment(numbered: tuple[int, ChangeEvent]) -> tuple[float, int]:
    index, event = numbered
    moment = event.occurred_at
    return (moment.timestamp() if moment is not None else 0.0, index)
