"""The results of ``IngestionService``."""

from __future__ import annotations

from typing import Any

from ledgerguard_pipeline.result import Result


class BatchResult(Result):
    """The result of a batch; the document of ``ledgerguard sync --json``."""

    __slots__ = ()

    total_entities_written: int
    """New versions of living objects over all entity types."""
    duration_seconds: float
    api_calls: int
    metered_calls: int
    """What Intuit meters: each item of a batch call."""
    results: list[dict[str, Any]]
    """One entry an entity type: ``entity``, ``mode``, ``fetched``, ``written``, ``deleted``,
    ``status`` (``ok``, ``failed`` or ``skipped``), ``error``, ``note`` and counts."""
    errors: list[str]
    """A sentence for everything that failed, the entity's name in front; empty if nothing did."""


class ConnectionTest(Result):
    """Whether Intuit answers for the company; true in a condition if it does."""

    __slots__ = ()

    success: bool
    realm_id: str
    company_name: str | None
    response_time_ms: float | None
    """None where no good answer came."""
    message: str
    """A sentence on the result and, after a failure, what to do."""

    def __bool__(self) -> bool:
        return bool(self["success"])


class StatusReport(Result):
    """The status of a company: the entry of ``ledgerguard status --json`` with its ``watermarks``.

    What only an installation knows (calls, budgets, queues) is 0 or None without one.
    """

    __slots__ = ()

    realm_id: str
    name: str
    environment: str
    health: str
    """``healthy``, ``degraded`` or ``unhealthy``."""
    reasons: list[str]
    """Why it is not healthy, worst first, each with what to do."""
    is_connected: bool
    last_sync_time: str | None
    entity_counts: dict[str, int]
    """Living objects in Bronze by entity type."""
    entities: list[dict[str, Any]]
    access_token_expiry: str | None
    refresh_token_expiry: str | None
    response_time_ms: float | None
    quarantined: int
    watermarks: dict[str, str | None]
    """Up to when each entity type was read, by name."""
