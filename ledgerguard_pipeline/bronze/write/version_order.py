"""Which of two versions of one object is the newer: the rules of Bronze, free of I/O.

Two living states. The later ``LastUpdatedTime`` is newer. Where both are equal (or one is not
known) the higher SyncToken, compared as a number, is newer; where that says nothing either,
what was read later. Equal bytes are no new version whatever the headers say, and where time and
SyncToken are equal too, only bytes that say something else are one (``bronze/write/deduplicate.py``).

A tombstone and a living state. CDC tombstones carry the time of the deletion but no SyncToken;
tombstones inferred from error 610 or from a walk of ids carry no time or, as both of theirs, that of
the read, which says nothing beside a ``LastUpdatedTime``: another clock made it. A living state wins
if its ``LastUpdatedTime`` lies after the tombstone's, because the object was changed after that
deletion, or if it was read later than the tombstone: Intuit showed the object alive although
the deletion was known, so the tombstone was wrong or undone. Otherwise, and in a tie, the
deletion stands: the last edit and the deletion often share one second. The rule is the same
whichever of the two is stored first, so deliveries in any order end alike.
An object that comes back must not come back older than it was: reading it alive later counts
only if its state is not older than the newest living state Bronze ever held (``floor``).

Two tombstones. The second adds nothing unless it tells more: that the object was merged, into
which survivor, or that it was deleted once more at a later time, so that it must have lived in
between. An inferred tombstone never says so.

A stored row that was read in the future was read by a clock that ran ahead. When that was is not known, and what
is read now was read later.

Decision 6 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from ledgerguard_pipeline.values import Record, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE: frozenset[str] = frozenset({State.DELETED, State.MERGED})


class VersionDecision(Enum):
    """What to do with an incoming version."""

    WRITE = "write"
    UNCHANGED = "unchanged"
    STALE = "stale"


class Version(NamedTuple):
    """What the rules look at. Times are microseconds since 1970-01-01 UTC."""

    state: str
    updated: int | None
    token: int | None
    fetched: int
    sha256: str | None
    merged_into: str | None
    floor: int | None
    """Newest ``LastUpdatedTime`` of any living state held, this version included."""

    @property
    def gone(self) -> bool:
        return self.state in _GONE


# Times and tokens repeat within a load; the caches save a fifth of a load's processor time.
@lru_cache(maxsize=8192)
def microseconds(instant: datetime) -> int:
    """Exact microseconds since 1970.

    Raises:
        TypeError: the time has no UTC offset.
    """
    span = instant - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


@lru_cache(maxsize=8192)
def sync_token_number(text: str | None) -> int | None:
    """The SyncToken as a number; None where it is missing or no number."""
    if text is not None and text.isascii() and text.isdigit() and len(text) < 40:
        return int(text)
    return None


def version_of(record: Record, sha256: str | None) -> Version:
    """The comparable header of a record just read.

    Raises:
        TypeError: one of its times has no UTC offset.
    """
    updated = None if record.last_updated_at is None else microseconds(record.last_updated_at)
    return Version(
        record.state,
        updated,
        sync_token_number(record.sync_token),
        microseconds(record.fetched_at),
        sha256,
        record.merged_into,
        None if record.state in _GONE else updated,
    )


def stored_version(
    now: datetime,
    state: str,
    updated: int | None,
    token: str | None,
    fetched: int,
    sha256: str | None,
    merged_into: str | None,
    floor: int | None,
) -> Version:
    """The comparable header of a stored row; a time of reading that cannot be is before all others."""
    read = fetched if fetched <= microseconds(now) else 0
    return Version(state, updated, sync_token_number(token), read, sha256, merged_into, floor)


def judge(incoming: Version, stored: Version | None) -> VersionDecision:
    """Decide about ``incoming`` given the newest version known so far."""
    if stored is None:
        return VersionDecision.WRITE
    if incoming.gone:
        if stored.gone:
            more = _tells_more(incoming, stored) or _deleted_again(incoming, stored)
            return VersionDecision.WRITE if more else VersionDecision.UNCHANGED
        return VersionDecision.WRITE if _buries(incoming, stored) else VersionDecision.STALE
    if stored.gone:
        if _buries(stored, incoming) or _below(incoming.updated, stored.floor):
            return VersionDecision.STALE
        return VersionDecision.WRITE
    if incoming.sha256 == stored.sha256:
        return VersionDecision.UNCHANGED
    return VersionDecision.WRITE if _follows(incoming, stored) else VersionDecision.STALE


def same_version(one: Version, other: Version) -> bool:
    """Whether both show one version of a living object: equal LastUpdatedTime and SyncToken."""
    return (
        not one.gone
        and not other.gone
        and one.updated is not None
        and (one.updated, one.token) == (other.updated, other.token)
    )


def raised_floor(incoming: Version, stored: Version | None) -> Version:
    """``incoming`` with the floor it has once it is on top of ``stored``."""
    if stored is None or stored.floor is None:
        return incoming
    if incoming.floor is None or incoming.floor < stored.floor:
        return incoming._replace(floor=stored.floor)
    return incoming


def _follows(one: Version, other: Version) -> bool:
    if one.updated is not None and other.updated is not None and one.updated != other.updated:
        return one.updated > other.updated
    if one.token is not None and other.token is not None and one.token != other.token:
        return one.token > other.token
    return one.fetched >= other.fetched


def _buries(tombstone: Version, living: Version) -> bool:
    if (
        tombstone.updated is not None
        and tombstone.updated != tombstone.fetched
        and living.updated is not None
        and living.updated > tombstone.updated
    ):
        return False
    return tombstone.fetched >= living.fetched


def _tells_more(incoming: Version, stored: Version) -> bool:
    if incoming.state != State.MERGED:
        return False
    if stored.state != State.MERGED:
        return True
    return (
        incoming.merged_into is not None
        and incoming.merged_into != stored.merged_into
        and (stored.merged_into is None or _follows(incoming, stored))
    )


def _deleted_again(incoming: Version, stored: Version) -> bool:
    return (
        incoming.state == stored.state
        and incoming.updated is not None
        and incoming.updated != incoming.fetched
        and stored.updated is not None
        and incoming.updated > stored.updated
    )


def _below(updated: int | None, floor: int | None) -> bool:
    return updated is not None and floor is not None and updated < floor
