"""How each entity is brought up to date: the cheapest way that cannot lose anything.

Intuit's change data capture reaches back 30 days and costs one call for all entity types it
covers; beyond that, or for the types it leaves out, changes are queried by LastUpdatedTime,
which shows no deletions; what was never loaded is walked in full.

Decision 60 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.ingestion.request import SyncRequest, Window
from ledgerguard_pipeline.values import Mode

CDC_REACH = timedelta(days=29)
"""One day inside Intuit's 30, so that a slow run does not fall over the edge."""

DAY_ENDS = timedelta(hours=12)
"""Behind UTC, where a day ends last."""

PACIFIC = timedelta(hours=8)
"""Behind UTC, where Intuit's servers date; an hour less in summer."""

OVERLAP = timedelta(minutes=5)
"""Re-read before every watermark: Intuit may show a commit minutes late. Costs no call, and
re-reading writes nothing."""


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """The way for one entity.

    ``since`` already includes the overlap. ``advances`` says whether success may move the
    watermark: only a read that leaves no gap behind it may. ``count_after`` asks for a
    comparison with ``COUNT(*)``, because this way cannot see deletions. What the company does
    not offer is not asked for, and is ``withheld`` where Bronze holds such objects; ``look`` asks
    beside the plan whether change data capture takes the type by now. ``whole_day`` says that
    ``since`` reaches back so far only because changes of the type are dated by the day.
    """

    entity: EntityType
    mode: Mode
    since: datetime | None = None
    until: datetime | None = None
    advances: bool = True
    count_after: bool = False
    offered: bool = True
    withheld: bool = False
    look: bool = False
    whole_day: bool = False


def plan_entities(
    request: SyncRequest, watermarks: Mapping[str, datetime], now: datetime
) -> tuple[EntityPlan, ...]:
    """Plan every entity of a request; ``watermarks`` are keyed by entity name."""
    return tuple(
        _plan(request, entity, watermarks.get(entity.name), now) for entity in request.entities
    )


def _plan(
    request: SyncRequest, entity: EntityType, watermark: datetime | None, now: datetime
) -> EntityPlan:
    if request.full:
        return EntityPlan(entity, Mode.FULL)
    since, window = request.since, request.window
    if window is not None:
        if window.end is not None:
            return _window(entity, window)
        if window.start is None:
            return EntityPlan(entity, Mode.FULL)
        # Up to now: what was never loaded is loaded whole, anything else is read again from there.
        since = None if watermark is None else window.start
    if since is not None:
        # A gap between the watermark and a later `since` would never be read again, and deletions
        # that a query passes over would not be asked for again.
        contiguous = watermark is not None and since <= watermark
        return _changes(entity, since, now, advances=contiguous, counted=contiguous)
    if watermark is None:
        return EntityPlan(entity, Mode.FULL)
    since = _since(entity, watermark, now)
    plan = _changes(entity, since, now, advances=True, counted=True)
    return replace(plan, whole_day=since < watermark - OVERLAP)


def _since(entity: EntityType, watermark: datetime, now: datetime) -> datetime:
    """Where to go on reading.

    Should Intuit compare the bare dates of a type whose changes are dated by the day, a change
    counts as made at the start of its day. So the first sync of each hour reads such a type from
    the start of the Pacific day of its watermark, and the first one after the day has turned
    (anywhere on earth) from the start of the day before: whatever was dated then and came late is
    met by that.
    """
    since = watermark - OVERLAP
    if not entity.day_times:
        return since
    if (now - DAY_ENDS).date() > (watermark - DAY_ENDS).date():
        return datetime.combine((since - timedelta(days=1)).date(), time(), tzinfo=UTC)
    if now.replace(minute=0, second=0, microsecond=0) > watermark:
        midnight_in_summer = time(hour=7)
        return datetime.combine((since - PACIFIC).date(), midnight_in_summer, tzinfo=UTC)
    return since


def _window(entity: EntityType, window: Window) -> EntityPlan:
    if entity.kind is Kind.SINGLETON:
        return EntityPlan(entity, Mode.FULL, advances=False)
    return EntityPlan(entity, Mode.QUERY, since=window.start, until=window.end, advances=False)


def _changes(
    entity: EntityType, since: datetime, now: datetime, *, advances: bool, counted: bool
) -> EntityPlan:
    if entity.kind is Kind.SINGLETON and (not entity.cdc or now - since > CDC_REACH):
        return EntityPlan(entity, Mode.FULL, advances=advances)
    if entity.cdc and now - since <= CDC_REACH:
        return EntityPlan(entity, Mode.CDC, since=since, advances=advances)
    return EntityPlan(entity, Mode.QUERY, since=since, advances=advances, count_after=counted)
