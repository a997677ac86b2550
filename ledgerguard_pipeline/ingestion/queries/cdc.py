"""Read change data capture without trusting an answer that may be cut.

Intuit caps an answer at 1000 objects and puts deletions last in each group, so a full answer
may hide deletions. Such an answer is asked again in parts, the largest group on its own; a type
that fills an answer alone is left to a query and a count. One unreadable record or one type that
change data capture refuses fails the whole call: halving finds the type, and only it falls back.
A deletion is believed only after another answer confirms that the object is gone, by what it shows
or by error 610 (``absence.py`` says why silence does not), and a living row only
says that its object changed: it is stored as a query shows it (``whole_objects.py`` says why).

Decision 7 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from ledgerguard_pipeline.bronze.loads import StoredVersion
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    AccessDenied,
    ChangesTooOld,
    FeatureUnavailable,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    RightsInDoubt,
    ServiceUnavailable,
    Throttled,
)
from ledgerguard_pipeline.ingestion.queries.absence import GONE, prove_gone
from ledgerguard_pipeline.ingestion.queries.batches import ONE_OF_THEM, prove_answering
from ledgerguard_pipeline.ingestion.queries.whole_objects import (
    Known,
    Shown,
    ask,
    looks_alike,
    same_version,
    settle,
)
from ledgerguard_pipeline.qbo.answers.cdc import ChangeGroup, Changes
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.values import Record, Reject, Source


@dataclass(frozen=True, slots=True)
class EntityChanges:
    """The trusted changes of one type: live objects, confirmed tombstones, unreadable rows."""

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    time: datetime


@dataclass(frozen=True, slots=True)
class NotByChanges:
    """Change data capture cannot tell for this type now; query it. ``reason`` says why.

    ``passing`` says that the type is covered and that it was the rows which stood in the way: one
    that cannot be shown, which is the ``fault``, or too many of them.
    """

    reason: str
    fault: QBOAPIError | None = None
    passing: bool = False


Outcome = EntityChanges | NotByChanges | QBOAPIError | RightsInDoubt


@dataclass(slots=True)
class _Gathered:
    groups: dict[str, tuple[ChangeGroup, datetime]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    answering: bool = False
    """Whether something else of the company was answered after a call was forbidden."""


def nothing_known(
    wanted: Mapping[EntityType, Sequence[str]],  # noqa: ARG001  # a Known
) -> Mapping[str, Mapping[str, StoredVersion]]:
    """For who asks without a Bronze: every changed object is read."""
    return {}


def read_changes(
    client: QBOClient,
    entities: Sequence[EntityType],
    since: datetime,
    first: Changes | None = None,
    *,
    known: Known = nothing_known,
) -> dict[str, Outcome]:
    """Every entity's changes since an instant, by name. ``first`` is an answer already at hand.

    ``known`` is what Bronze holds, so that the same version is not read twice.

    Raises:
        LedgerGuardError: the call as a whole failed (no access, throttled, service down).
    """
    gathered = _Gathered()
    if first is not None:
        _sort_out(client, entities, since, first, gathered)
    else:
        _ask(client, entities, since, gathered)
    gathered.outcomes.update(_settled(client, gathered.groups, known))
    return gathered.outcomes


def _ask(
    client: QBOClient, entities: Sequence[EntityType], since: datetime, gathered: _Gathered
) -> None:
    try:
        changes = client.changes(entities, since)
    except ChangesTooOld:
        for entity in entities:
            gathered.outcomes[entity.name] = NotByChanges("older than 30 days")
    except ONE_OF_THEM as error:
        if isinstance(error, AccessDenied) and not gathered.answering:
            prove_answering(client, error)
            gathered.answering = True
        if len(entities) == 1 and isinstance(error, AccessDenied):
            gathered.outcomes[entities[0].name] = error
            return
        if len(entities) == 1:
            gathered.outcomes[entities[0].name] = _refused(client, entities[0], error)
            return
        half = len(entities) // 2
        _ask(client, entities[:half], since, gathered)
        _ask(client, entities[half:], since, gathered)
    else:
        _sort_out(client, entities, since, changes, gathered)


def _refused(client: QBOClient, entity: EntityType, error: QBOAPIError) -> NotByChanges:
    """One type was refused; unless a record is the reason, so it will be next time."""
    spoilt = isinstance(error, PoisonPage)
    if not spoilt:
        client.capabilities.note(entity.name, Capability.CHANGES, "no")
    return NotByChanges(f"refused: {error.message}", error, passing=spoilt)


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
        if not rest or changes.groups[largest.name].rows >= MAX_ROWS:
            gathered.outcomes[largest.name] = NotByChanges(
                "more changes than one answer holds", passing=True
            )
        else:
            _ask(client, [largest], since, gathered)
        if rest:
            _ask(client, rest, since, gathered)
        return
    suspects = [entity for entity in entities if changes.groups[entity.name].fault is not None]
    for entity in entities:
        if entity not in suspects:
            client.capabilities.drop(entity.name, Capability.CHANGES)
            gathered.groups[entity.name] = (changes.groups[entity.name], changes.time)
    if len(suspects) > 1:
        # One of them failed, the others may just have no changes.
        half = len(suspects) // 2
        _ask_again(client, suspects[:half], since, gathered)
        _ask_again(client, suspects[half:], since, gathered)
    for entity in suspects if len(suspects) == 1 else ():
        _judge(client, changes.groups[entity.name], since, gathered)


def _judge(client: QBOClient, group: ChangeGroup, since: datetime, gathered: _Gathered) -> None:
    """What becomes of the one type that failed inside an answer."""
    entity, fault = group.entity, group.fault
    if isinstance(fault, PoisonPage | RequestRejected | FeatureUnavailable):
        gathered.outcomes[entity.name] = _refused(client, entity, fault)
    elif isinstance(fault, ServiceUnavailable | Throttled):
        _ask_again(client, [entity], since, gathered)
    elif fault is not None:
        gathered.outcomes[entity.name] = fault


def _ask_again(
    client: QBOClient, entities: Sequence[EntityType], since: datetime, gathered: _Gathered
) -> None:
    """Types that failed inside an answer that reported others are retried in a call of their own."""
    try:
        _ask(client, entities, since, gathered)
    except ServiceUnavailable as error:
        for entity in entities:
            if entity.name not in gathered.groups:
                gathered.outcomes.setdefault(entity.name, error)


def _settled(
    client: QBOClient, groups: Mapping[str, tuple[ChangeGroup, datetime]], known: Known
) -> dict[str, Outcome]:
    """What changed as queries show it: no row is stored in the form of this answer.

    A tombstone is believed only if a query no longer shows the object but shows others, or if
    single reads confirm it. What Bronze holds in this very version is not read again, nor is the
    end of an object confirmed twice.
    """
    rows = {
        group.entity: group.records
        for group, _ in groups.values()
        if group.records and group.entity.identified
    }
    reported = {
        group.entity: [row.id for row in (*rows.get(group.entity, ()), *group.tombstones)]
        for group, _ in groups.values()
        if group.entity.identified
    }
    held = known({entity: ids for entity, ids in reported.items() if ids})
    groups = {
        name: (_without_known_ends(group, held.get(name, {})), time)
        for name, (group, time) in groups.items()
    }
    gone = {
        group.entity.name: group.tombstones[0].id
        for group, _ in groups.values()
        if _lone(group) and _is_gone(client, group)
    }
    wanted: dict[EntityType, list[str]] = {}
    for group, _ in groups.values():
        versions = held.get(group.entity.name, {})
        ids = [row.id for row in rows.get(group.entity, ()) if not _held(row, versions)]
        if group.entity.kind is not Kind.SINGLETON and group.entity.name not in gone:
            ids += [tombstone.id for tombstone in group.tombstones]
        if ids:
            wanted[group.entity] = ids
    shown = ask(client, wanted) if wanted else {}
    outcomes: dict[str, Outcome] = {}
    for name, (group, time) in groups.items():
        found = shown.get(name, Shown(group.entity))
        if found.error is not None:
            outcomes[name] = found.error
            continue
        try:
            if name not in gone:
                _prove(client, group, found)
            outcomes[name] = _outcome(client, group, time, found, held.get(name, {}))
        except (QBOAPIError, RightsInDoubt) as error:
            outcomes[name] = error
    return outcomes


def _without_known_ends(group: ChangeGroup, held: Mapping[str, StoredVersion]) -> ChangeGroup:
    """The group without deletions that Bronze holds: calls overlap, so each is reported again."""
    alive = {row.id for row in group.records}
    news = [
        row
        for row in group.tombstones
        if row.id in alive or row.id not in held or not held[row.id].state.gone
    ]
    return replace(group, tombstones=news)


def _lone(group: ChangeGroup) -> bool:
    """One deletion and nothing else: a single read tells more than a query, for as many calls."""
    return group.rows == len(group.tombstones) == 1 and _proves(group.entity)


def _is_gone(client: QBOClient, group: ChangeGroup) -> bool:
    """Whether a read says that the one object is deleted; any other answer is asked further."""
    try:
        client.get_entity(group.entity.name, group.tombstones[0].id)
    except NotFound as error:
        return error.fault_code == GONE
    except (PoisonPage, RequestRejected, FeatureUnavailable, AccessDenied):
        return False
    return False


def _prove(client: QBOClient, group: ChangeGroup, shown: Shown) -> None:
    """Have deletions confirmed singly where the query that lacks them shows nothing else either.

    Raises:
        RightsInDoubt: an object of the sample is there, or a read does not say that it is gone.
    """
    lost = [row.id for row in group.tombstones if row.id not in shown.unreadable]
    if lost and not shown.alive and _proves(group.entity):
        prove_gone(client, group.entity, lost)


def _proves(entity: EntityType) -> bool:
    return entity.identified and entity.kind is not Kind.SINGLETON


def _outcome(
    client: QBOClient,
    group: ChangeGroup,
    time: datetime,
    shown: Shown,
    held: Mapping[str, StoredVersion],
) -> Outcome:
    if not group.entity.identified and group.records:
        return NotByChanges("its rows are read by query, and not by id")
    single = group.entity.kind is Kind.SINGLETON
    gone = [
        row
        for row in group.tombstones
        if single or (row.id not in shown.alive and row.id not in shown.unreadable)
    ]
    back = [row for row in group.tombstones if row not in gone]
    buried = {row.id for row in gone}
    live = [row for row in group.records if row.id not in buried]
    same = [row for row in live if _held(row, held)]
    settled = settle(client, shown, [row for row in live if not _held(row, held)])
    reported = {row.id for row in live}
    alive = [
        shown.alive[row.id] for row in back if row.id not in reported and row.id in shown.alive
    ]
    read = [
        # Another state in the second of the one that is held: that is a query's word, not theirs.
        row
        if row.source is Source.QUERY and looks_alike(row, held.get(row.id))
        else msgspec.structs.replace(row, source=Source.CDC)
        for row in (*settled.records, *alive)
    ]
    records = (*read, *(row for row in same if row.whole), *gone)
    unread = [
        shown.rejects[row.id] for row in back if row.id not in reported and row.id in shown.rejects
    ]
    return EntityChanges(records, (*group.rejects, *settled.rejects, *unread), time)


def _held(row: Record, versions: Mapping[str, StoredVersion]) -> bool:
    return same_version(row, versions.get(row.id))
