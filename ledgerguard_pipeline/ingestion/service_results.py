"""The results of ``IngestionService``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ledgerguard_pipeline.result import Result


class EntityReport(Result):
    """The result of syncing one entity type; ``reconciled`` is there where counts were compared."""

    __slots__ = ()

    realm_id: str
    entity: str
    mode: str
    """How it was read: ``full``, ``cdc``, ``query``, ``reconcile`` or ``webhook``."""
    fetched: int
    written: int
    """New versions of living objects."""
    updated: int
    renamed: int
    """Versions in which only names of other objects changed."""
    deleted: int
    unchanged: int
    quarantined: int
    api_calls: int
    status: str
    """``ok``, ``failed`` or ``skipped``."""
    error: str | None
    note: str | None
    """Anything else worth knowing, such as why it was skipped."""


class EntityFreshness(Result):
    """How far one entity type of a company is."""

    __slots__ = ()

    entity: str
    last_sync_time: str | None
    promised_seconds: float
    """How often the schedule promises to sync it."""
    rows: int
    """Living objects in Bronze."""
    quarantined: int
    partial: int
    """Objects held only in part."""
    mode: str | None
    error: str | None
    """Why its last attempt failed."""
    error_kind: str | None
    """``transient``, ``terminal`` or ``needs_human``."""
    error_scope: str | None
    """``entity`` or ``company``."""


class BatchResult(Result):
    """The result of a batch; the document of ``ledgerguard sync --json``."""

    __slots__ = ()

    total_entities_written: int
    """New versions of living objects over all entity types."""
    duration_seconds: float
    api_calls: int
    metered_calls: int
    """What Intuit meters: each item of a batch call."""
    results: list[EntityReport]
    """One entry per entity type."""
    errors: list[str]
    """A sentence for everything that failed, the entity's name in front; empty if nothing did."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From the document of a sync, whose entries become reports."""
        return cls(document, results=[EntityReport(each) for each in document["results"]])


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
    """``healthy``, ``loading``, ``disconnected``, ``degraded`` or ``unhealthy``."""
    reasons: list[str]
    """Why it is not healthy, worst first, each with what to do."""
    is_connected: bool
    last_sync_time: str | None
    entity_counts: dict[str, int]
    """Living objects in Bronze by entity type."""
    entities: list[EntityFreshness]
    """One entry per entity type kept."""
    access_token_expiry: str | None
    refresh_token_expiry: str | None
    response_time_ms: float | None
    quarantined: int
    watermarks: dict[str, str | None]
    """Up to when each entity type was read, by name."""

    @classmethod
    def of(cls, document: Mapping[str, Any], watermarks: Mapping[str, str | None]) -> Self:
        """From the document of a company's status, with its watermarks."""
        entities = [EntityFreshness(each) for each in document["entities"]]
        return cls(document, entities=entities, watermarks=dict(watermarks))
