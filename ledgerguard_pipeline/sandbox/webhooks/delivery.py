"""What the sandbox reports about the webhooks it sent."""

from __future__ import annotations

import msgspec

from ledgerguard_pipeline.sandbox.webhooks.events import Event
from ledgerguard_pipeline.sandbox.webhooks.sender import Reply


class Attempt(msgspec.Struct, kw_only=True, frozen=True):
    """One try. ``waited`` is the step of the ladder before it, in the sandbox's own seconds."""

    at: float
    waited: float
    reply: Reply


class Delivery(msgspec.Struct, kw_only=True):
    """One body and what became of it. Of many attempts the first and the last are kept."""

    number: int
    tid: str
    created: float
    shape: str
    bytes: int
    events: tuple[Event, ...]
    attempts: list[Attempt] = []
    tries: int = 0
    acknowledged: bool = False


class WebhookState(msgspec.Struct, kw_only=True, frozen=True):
    """Counts since the start or the last reset; ``waiting`` events are in no delivery yet."""

    events: int
    delivered: int
    """Events in acknowledged deliveries, each repetition counted."""
    lost: int
    duplicated: int
    reordered: int
    waiting: int
    unacknowledged: int
    """Deliveries tried or ready that have no 200 yet."""
    acknowledged: int
    attempts: int
