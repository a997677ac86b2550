"""Read change data capture without trusting an answer that may be cut.

Intuit caps an answer at 1000 objects and puts deletions last in each group, so a full answer
may hide deletions. Such an answer is asked again in parts, the largest group on its own; a type
that fills an answer alone is left to a query and a count. One unreadable record or one type that
change data capture refuses fails the whole call: halving finds the type, and only it falls back.
A deletion is believed only after a read confirms that the object is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    ChangesTooOld,
    FeatureUnavailable,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
)
from ledgerguard_pipeline.ingestion.reader import IDS_PER_QUERY
from ledgerguard_pipeline.qbo.answers import ChangeGroup, Changes, Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.statement import Query
from ledgerguard_pipeline.values import Record, Reject

CAP = 1000
QUERIES_PER_BATCH = 9
"""9 x 100 ids stay below the 1000 objects one answer may hold."""


@dataclass(frozen=True, slots=True)
class EntityChanges:
    """The trusted changes of one type: live objects, confirmed tombstones, unreadable rows."""

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    time: datetime


@dataclass(frozen=True, slots=True)
class NotByChanges:
    """Change data capture cannot tell for this type now; query it. ``reason`` says why."""

    reason: str


Outcome = EntityChanges | NotByChanges | QBOAPIError


@dataclass(slots=True)
class _Gathered:
    groups: dict[str, tuple[ChangeGroup, datetime]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)


def read_changes(
    client: QBOClient,
    entities: Sequence[EntityType],
    since: datetime,
    first: Changes | None = None,
) -> dict[str, Outcome]:
    """Every entity's changes since an instant, by name. ``first`` is an answer already at hand.

    Raises:
        LedgerGuardError: the call as a whole failed (no access, throttled, service down).
    """
    gathered = _Gathered()
    if first is not None:
        _sort_out(client, entities, since, first, gathered)
    else:
        _ask(client, entities, since, gathered)
    gathered.outcomes.update(_confirmed(client, gathered.groups))
    return gathered.outcomes


def _ask(
    client: QBOClient, entities: Sequence[EntityType], since: datetime, gathered: _Gathered
) -> None:
    try:
        changes = client.changes(entities, since)
    except ChangesTooOld:
        for entity in entities:
            gathered.outcomes[entity.name] = NotByChanges("older than 30 days")
    except (PoisonPage, RequestRejected, FeatureUnavailable) as error:
        if len(entities) == 1:
            gathered.outcomes[entities[0].name] = NotByChanges(f"refused: {error.message}")
            return
        half = len(entities) // 2
        _ask(client, entities[:half], since, gathered)
        _ask(client, entities[half:], since, gathered)
    else:
        _sort_out(client, entities, since, changes, gathered)


def _sort_out(
    client: QBOClient,
    entities: Sequence[EntityType],
    since: datetime,
    changes: Changes,
    gathered: _Gathered,
) -> None:
    if changes.capped:
        largest = max(entities, key=lambda entity: changes.groups[entity.name].rows)
        rest = [entity for entity in entities if entity is not largest]
        if not rest or changes.groups[largest.name].rows >= CAP:
            gathered.outcomes[largest.name] = NotByChanges("more changes than one answer holds")
        else:
            _ask(client, [largest], since, gathered)
        if rest:
            _ask(client, rest, since, gathered)
        return
    for entity in entities:
        group = changes.groups[entity.name]
        if group.fault is None:
            gathered.groups[entity.name] = (group, changes.time)
        elif isinstance(group.fault, PoisonPage | RequestRejected | FeatureUnavailable):
            gathered.outcomes[entity.name] = NotByChanges(f"refused: {group.fault.message}")
        else:
            gathered.outcomes[entity.name] = group.fault


def _confirmed(
    client: QBOClient, groups: Mapping[str, tuple[ChangeGroup, datetime]]
) -> dict[str, Outcome]:
    """Believe a tombstone only if a read no longer shows the object."""
    asked: list[tuple[EntityType, Query]] = []
    for group, _ in groups.values():
        ids = sorted({tombstone.id for tombstone in group.tombstones})
        if group.entity.identified and group.entity.kind is not Kind.SINGLETON:
            asked.extend(
                (group.entity, Query.ids(group.entity, ids[at : at + IDS_PER_QUERY]))
                for at in range(0, len(ids), IDS_PER_QUERY)
            )
    alive: dict[str, dict[str, Record]] = {}
    failed: dict[str, QBOAPIError] = {}
    for (entity, _), page in zip(asked, _pages(client, asked), strict=True):
        if isinstance(page, Page):
            found = alive.setdefault(entity.name, {})
            found.update({record.id: record for record in page.records})
        elif not isinstance(page, RequestRejected):
            failed[entity.name] = page
    outcomes: dict[str, Outcome] = dict(failed)
    for name, (group, time) in groups.items():
        if name not in failed:
            back = alive.get(name, {})
            gone = [item for item in group.tombstones if item.id not in back]
            buried = {item.id for item in gone}
            live = [item for item in group.records if item.id not in buried]
            outcomes[name] = EntityChanges(
                (*live, *back.values(), *gone), tuple(group.rejects), time
            )
    return outcomes


def _pages(
    client: QBOClient, asked: Sequence[tuple[EntityType, Query]]
) -> list[Page | QBOAPIError]:
    if len(asked) == 1:
        entity, query = asked[0]
        try:
            return [client.query_page(entity, query)]
        except (RequestRejected, PoisonPage, FeatureUnavailable) as error:
            return [error]
    pages: list[Page | QBOAPIError] = []
    for at in range(0, len(asked), QUERIES_PER_BATCH):
        pages.extend(client.query_batch(asked[at : at + QUERIES_PER_BATCH]))
    return pages
