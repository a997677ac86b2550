"""What one company's API was seen to accept, remembered so that it is found out only once.

Companies differ: by edition, by country, by how far Intuit has rolled a change out. Which
statements a company sorts, how many rows it hands out at once, which types change data capture
covers there: none of it can be asked for, it shows only when a call is refused. Observations are
kept per company and entity type and hold for a day; then the better way is tried once more.

It is a hint and never the truth about data: losing all of it costs a few calls.

Decision 59 in docs/decisions.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import ControlError
from ledgerguard_pipeline.values import RealmId

LOOK_AGAIN_AFTER = timedelta(days=1)
"""How long something seen is taken for true without being looked at again."""

WITHHELD = "withheld"
"""What is noted of a type that is refused although Bronze holds objects of it."""

IGNORED = "ignored"
"""What is noted of a parameter that is taken and does nothing."""

WHOLE_COMPANY = "*"
"""Stands in the place of an entity's name for what is true of the company as a whole."""

_RELOAD_SECONDS = 300.0

_log = structlog.get_logger("ledgerguard_pipeline.qbo")


class Capability(StrEnum):
    """One thing that a company's API may or may not do, for one entity type or as a whole.

    Where nothing is remembered, the best is assumed. Values are short texts, given here.
    """

    OFFERED = "offered"
    """``no``: the company has no such objects; neither query nor change data capture serves it.
    ``withheld``: the same of a type of which Bronze holds objects, so something was taken away."""
    QUERY = "query"
    """``no``: objects of the type cannot be queried, only read by id or as changes."""
    CHANGES = "changes"
    """``no``: change data capture refuses the type."""
    BATCHED_CHANGES = "batched-changes"
    """``no``: a batch does not serve change data capture (of the whole company)."""
    ORDER = "order"
    """The form of ORDERBY that a walk of all objects may use."""
    CHANGE_ORDER = "change-order"
    """The form of ORDERBY that a walk by LastUpdatedTime may use."""
    TIE_ORDER = "tie-order"
    """``no``: rows cannot be sorted by a time and, within one second, by Id."""
    PAGE_ROWS = "page-rows"
    """The most rows that one answer was seen to hold, as a number."""
    CUSTOM_FIELDS = "custom-fields"
    """``refused``: a query may not ask for all custom fields (of the whole company)."""
    CUSTOM_FIELDS_BY_ID = "custom-fields-by-id"
    """The same of a single read."""
    CUSTOM_FIELDS_IN_BATCH = "custom-fields-in-batch"
    """What asking for them did in a batch: ``honoured``, ``refused`` or ``unproven``."""
    CUSTOM_FIELDS_BY_QUERY = "custom-fields-by-query"
    """What asking for them did in a query: ``ignored`` where a single read of the same version
    showed more, ``unproven`` where it did not."""
    CUSTOM_FIELDS_HELD = "custom-fields-held"
    """Which custom fields all rows of a type were read with: ``all`` or ``first-three``."""
    INACTIVE_HELD = "inactive-held"
    """``yes``: inactive rows of the type were asked for, though its other queries may hide them."""


Subject = tuple[str, Capability]
"""An entity's name (or ``WHOLE_COMPANY``) and what is known of it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A value and when it was seen last, in UTC."""

    value: str
    seen_at: datetime


class CapabilityMemory(Protocol):
    """Where it is kept: the control plane, or a process for itself. Thread-safe."""

    def read(self, realm: RealmId) -> Mapping[Subject, Seen]:
        """Everything known of a company, however old."""
        ...

    def note(self, realm: RealmId, entity: str, capability: Capability, value: str) -> None:
        """Remember what was seen just now."""
        ...

    def note_all(self, realm: RealmId, found: Mapping[Subject, str]) -> None:
        """Remember several things that were seen just now, all or none."""
        ...

    def drop(self, realm: RealmId, entity: str, capability: Capability) -> None:
        """Remember it no more: the best was seen to work."""
        ...

    def forget(self, realm: RealmId) -> None:
        """Drop everything known of a company."""
        ...


class OwnMemory:
    """Remembers as long as the process lives: for clients without a control plane."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[RealmId, dict[Subject, Seen]] = {}

    def read(self, realm: RealmId) -> Mapping[Subject, Seen]:
        with self._lock:
            return dict(self._seen.get(realm, {}))

    def note(self, realm: RealmId, entity: str, capability: Capability, value: str) -> None:
        self.note_all(realm, {(entity, capability): value})

    def note_all(self, realm: RealmId, found: Mapping[Subject, str]) -> None:
        with self._lock:
            now = self._clock.now()
            known = self._seen.setdefault(realm, {})
            known |= {subject: Seen(value, now) for subject, value in found.items()}

    def drop(self, realm: RealmId, entity: str, capability: Capability) -> None:
        with self._lock:
            self._seen.get(realm, {}).pop((entity, capability), None)

    def forget(self, realm: RealmId) -> None:
        with self._lock:
            self._seen.pop(realm, None)


class Capabilities:
    """What is known of one company; the same for all who read from it. Thread-safe.

    What is remembered elsewhere is read once and again after some minutes; what is noted here
    holds here at once. A memory that cannot be reached costs calls, never a sync.
    """

    def __init__(
        self, memory: CapabilityMemory, realm_id: RealmId, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.realm_id = realm_id
        self._memory = memory
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Subject, Seen] = {}
        self._read_at: float | None = None

    def value(self, entity: str, capability: Capability) -> str | None:
        """What is known, or None where nothing is or it is time to look again."""
        seen = self.seen(entity, capability)
        return None if seen is None or self.is_old(seen) else seen.value

    def seen(self, entity: str, capability: Capability) -> Seen | None:
        """What was seen last, however long ago."""
        with self._lock:
            self._refresh()
            return self._known.get((entity, capability))

    def is_old(self, seen: Seen) -> bool:
        """Whether it is time to look again."""
        return self._clock.now() - seen.seen_at >= LOOK_AGAIN_AFTER

    def denied(self, entity: str, capability: Capability) -> bool:
        """Whether the company was seen to lack it; False when it is time to look again."""
        return self.value(entity, capability) == "no"

    def note(self, entity: str, capability: Capability, value: str) -> None:
        """Remember the observation of a call."""
        self.note_all({(entity, capability): value})

    def note_all(self, found: Mapping[Subject, str]) -> None:
        """Remember several observations, all or none."""
        if not found:
            return
        with self._lock:
            self._refresh()
            before, now = self._known, self._clock.now()
            self._known = before | {subject: Seen(value, now) for subject, value in found.items()}
            self._tolerantly(lambda: self._memory.note_all(self.realm_id, found))
        fresh: dict[tuple[Capability, str], list[str]] = {}
        for (entity, capability), value in found.items():
            known = before.get((entity, capability))
            if known is None or known.value != value:
                fresh.setdefault((capability, value), []).append(entity)
        for (capability, value), entities in fresh.items():
            _log.info(
                "capability_seen",
                realm_id=self.realm_id,
                entity=", ".join(entities),
                capability=capability.value,
                value=value,
            )

    def drop(self, entity: str, capability: Capability) -> None:
        """A call has just shown that the best works; writes only where something else was known."""
        with self._lock:
            self._refresh()
            if self._known.pop((entity, capability), None) is not None:
                self._tolerantly(lambda: self._memory.drop(self.realm_id, entity, capability))

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < _RELOAD_SECONDS:
            return
        self._read_at = now
        try:
            self._known = dict(self._memory.read(self.realm_id))
        except ControlError as error:
            _log.warning("capabilities_not_read", realm_id=self.realm_id, reason=error.message)

    def _tolerantly(self, write: Callable[[], None]) -> None:
        try:
            write()
        except ControlError as error:
            _log.warning("capabilities_not_written", realm_id=self.realm_id, reason=error.message)
