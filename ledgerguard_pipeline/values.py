"""Values every layer shares: identifiers, states and the record read from Intuit.

Nothing here does I/O or knows of HTTP, SQL or Dagster; every other module may import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

import msgspec

from ledgerguard_pipeline.errors import BadInputError

RealmId = NewType("RealmId", str)
"""Intuit's company id: a decimal text of 1 to 20 digits (qualifies every object id).

Newer companies have 15 to 19; ids of older companies are shorter, nine digits for example.
"""

LoadId = NewType("LoadId", str)
RunId = NewType("RunId", str)

REALM_FORM = r"[0-9]{1,20}"
"""What every company id looks like, as a regular expression."""

_REALM = re.compile(REALM_FORM, re.ASCII)


class Environment(StrEnum):
    """Intuit's two worlds. Tokens, companies and Bronze files belong to exactly one."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class State(StrEnum):
    """What a stored version says about its object."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    VOIDED = "voided"
    DELETED = "deleted"
    MERGED = "merged"

    @property
    def gone(self) -> bool:
        """True for objects that a query no longer returns (left out of ``_current`` views)."""
        return self in (State.DELETED, State.MERGED)


class Source(StrEnum):
    """Which kind of read brought a version."""

    QUERY = "query"
    CDC = "cdc"
    WEBHOOK = "webhook"
    READ = "read"
    RECONCILE = "reconcile"


class Mode(StrEnum):
    """How one entity was brought up to date in one sync."""

    FULL = "full"
    CDC = "cdc"
    QUERY = "query"
    RECONCILE = "reconcile"
    """Counted and found complete; where rows had to be read, the mode says how."""
    WEBHOOK = "webhook"
    """The objects that webhook events are about."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One object as Intuit sent it: the exact bytes and the few header fields Bronze keys on.

    ``payload`` is ``None`` only where Intuit sent no object (a tombstone). A msgspec struct, as
    millions of them pass through a load: made in a tenth of a dataclass's time and never
    visited by the cycle collector.
    """

    id: str
    sync_token: str | None
    state: State
    created_at: datetime | None
    last_updated_at: datetime | None
    payload: bytes | None
    source: Source
    request_id: str | None
    fetched_at: datetime
    event_id: str | None = None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be read or stored; it goes to quarantine and the rest goes on."""

    id: str | None
    reason: str
    payload: bytes | None
    source: Source
    request_id: str | None
    fetched_at: datetime


def parse_realm(text: str) -> RealmId:
    """Check a company id typed or received from outside.

    Raises:
        BadInputError: it is not 1 to 20 decimal digits.
    """
    if _REALM.fullmatch(text) is None:
        raise BadInputError(
            f"{text[:40]!r} is not a company id: QuickBooks realm ids have 1 to 20 digits. "
            "`ledgerguard companies` lists the connected ones."
        )
    return RealmId(text)


def parse_environment(value: Environment | str) -> Environment:
    """Check the name of an environment.

    Raises:
        BadInputError: it is neither of the two.
    """
    try:
        return Environment(value)
    except ValueError:
        raise BadInputError(
            f"{str(value)[:40]!r} is no environment: it is either sandbox or production."
        ) from None


def parse_instant(text: str) -> datetime:
    """Read an Intuit or ISO 8601 time and return it in UTC.

    Fractions of any length are cut to microseconds; a text without an offset is refused,
    because Intuit reads such literals in Pacific time.

    Raises:
        ValueError: it is no date-time with an offset.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return instant.astimezone(UTC)
