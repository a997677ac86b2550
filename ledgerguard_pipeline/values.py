"""Values every layer shares: identifiers, states and the record read from Intuit.

Nothing here does I/O or knows of HTTP, SQL or Dagster; every other module may import it.

Decision 19 in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType

import msgspec

from ledgerguard_pipeline import exact
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

    It reads as a mapping of Intuit's fields: ``record["TotalAmt"]`` is an exact ``Decimal``,
    nested objects and lists are plain ones and the caller's own. Nothing is parsed before a
    field is asked for. What Intuit left out is not in it; ``get`` serves fields that may be.

    ``payload`` is ``None`` only where Intuit sent no object (a tombstone, which has no fields).
    A msgspec struct, as millions of them pass through a load: made in a tenth of a dataclass's
    time and never visited by the cycle collector.

    ``whole`` is False for a living row that says only that its object changed: it carries a
    status, calls itself sparse, or lacks members its type always has. Such a row is read again
    before it is stored; Bronze refuses it.
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
    whole: bool = True

    @property
    def raw(self) -> bytes:
        """The object byte for byte as Intuit sent it; empty for a tombstone."""
        return self.payload or b""

    def __getitem__(self, key: str) -> Any:
        return exact.value(self._members[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __bool__(self) -> bool:
        """Always true: a tombstone has no fields and is a record all the same."""
        return True

    def get(self, key: str, default: Any = None) -> Any:
        """A field, or ``default`` where Intuit sent none."""
        return self[key] if key in self._members else default

    def keys(self) -> KeysView[str]:
        """The names of the fields, in Intuit's order."""
        return KeysView(self)

    def values(self) -> ValuesView[Any]:
        """The values of the fields."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, Any]:
        """Names and values of the fields."""
        return ItemsView(self)

    def as_dict(self) -> dict[str, Any]:
        """All fields as a plain dict, the caller's own."""
        return {key: exact.value(raw) for key, raw in self._members.items()}

    @property
    def _members(self) -> Mapping[str, msgspec.Raw]:
        if self.payload is None:
            return {}
        try:
            return exact.members(self.payload)
        except ValueError as error:
            raise ValueError(f"Record {self.id!r} has no fields to read: {error}.") from None

    if not TYPE_CHECKING:  # a type checker finds a wrong name itself, unless it sees this

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(name)
            raise AttributeError(
                f"A record has no attribute {name!r}. Intuit's fields are read by key, as in "
                f"record[{name!r}] or record.get({name!r}); its own attributes are "
                f"{', '.join(self.__struct_fields__)} and raw."
            )

    def __repr__(self) -> str:
        """Without the payload, which is somebody's books and has no place in a log."""
        return (
            f"<Record {self.id} token={self.sync_token} {self.state.value} "
            f"updated={self.last_updated_at} {len(self.raw)} bytes>"
        )

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("id", self.id), ("state", self.state.value), ("bytes", len(self.raw))]


Mapping.register(Record)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be read or stored; it goes to quarantine and the rest goes on."""

    id: str | None
    reason: str
    payload: bytes | None
    source: Source
    request_id: str | None
    fetched_at: datetime


def parse_realm(text: object) -> RealmId:
    """Check a company id typed or received from outside.

    Raises:
        BadInputError: it is not 1 to 20 decimal digits.
    """
    if isinstance(text, int):
        raise BadInputError(
            f"{text!r} is not a company id but a number: QuickBooks realm ids are text. "
            f'Write it in quotes, as in "{text}".'
        )
    if not isinstance(text, str) or _REALM.fullmatch(text) is None:
        raise BadInputError(
            f"{str(text)[:40]!r} is not a company id: QuickBooks realm ids have 1 to 20 digits. "
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
            f"{str(value)[:40]!r} is not an environment: use sandbox or production."
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
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first and the last day there are, in some time zones
        raise ValueError(f"{text!r} has no equivalent in UTC") from None


NO_ACCESS = (401, 403)
SERVER_ERROR = 500
"""The least status of a server error."""


def call_failed(status: int) -> bool:
    """Whether a call got no answer (0), a server error or no access; 429 is not a failure."""
    return status == 0 or status >= SERVER_ERROR or status in NO_ACCESS
