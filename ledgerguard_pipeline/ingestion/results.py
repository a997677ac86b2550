"""The result of a sync, entity by entity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.request import Window
from ledgerguard_pipeline.values import Mode, RealmId

Status = Literal["ok", "failed", "skipped"]
"""``skipped``: left out on purpose, as the month's call budget is nearly used; ``note`` says so."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What reconciling found: Intuit's count and Bronze's before anything was done.

    ``missing`` objects were not in Bronze although it was up to date (or were created during the
    walk), ``phantoms`` were in it although they are gone at Intuit; both are repaired.
    ``walked`` says whether all rows had to be read.
    """

    counted: int
    held: int
    missing: int
    phantoms: int
    walked: bool

    def to_json(self) -> dict[str, object]:
        """The member ``reconciled`` of ``ledgerguard sync --json``."""
        return {
            "counted": self.counted,
            "held": self.held,
            "missing": self.missing,
            "phantoms": self.phantoms,
            "walked": self.walked,
        }


@dataclass(frozen=True, slots=True)
class EntityResult:
    """The outcome for one entity type of one company.

    ``fetched`` counts objects as read (tombstones included), ``written`` new versions of living
    objects in Bronze, ``deleted`` new tombstones (deletions and merges). Of the written ones
    ``updated`` are new states of objects that Bronze held, and ``renamed`` rows in which nothing
    but the name of another object changed (``CustomerRef.name``): Intuit gives no sign of that,
    so only a walk finds them, and no update was lost. ``api_calls`` are the HTTP
    calls that carried this entity; one shared by several entities counts for each of them here
    and once in ``SyncResult``.
    ``expected`` is Intuit's ``COUNT(*)`` where the sync had a reason to ask for it, ``stored``
    what Bronze then held alive (quarantined rows included). ``finding`` is set by reconciling.
    ``covered`` is the span of LastUpdatedTime that this load completed, where it left no gap.
    """

    realm_id: RealmId
    entity: str
    mode: Mode
    fetched: int = 0
    written: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    api_calls: int = 0
    bytes: int = 0
    seconds: float = 0.0
    watermark: datetime | None = None
    status: Status = "ok"
    error: str | None = None
    expected: int | None = None
    stored: int | None = None
    note: str | None = None
    load_ids: tuple[str, ...] = ()
    new_fields: tuple[str, ...] = ()
    finding: Reconciled | None = None
    covered: Window | None = None
    updated: int = 0
    renamed: int = 0

    @property
    def complete(self) -> bool | None:
        """Whether Bronze holds as many objects as Intuit counts; None where nobody counted."""
        if self.expected is None or self.stored is None:
            return None
        return self.expected == self.stored

    @property
    def news(self) -> bool:
        """Whether it brought something that Bronze did not have."""
        return self.written + self.deleted + self.quarantined > 0 or bool(self.new_fields)

    @property
    def line(self) -> str:
        """What came of it in one line, as the command line and Dagster's events show it."""
        return (
            f"{self.realm_id}: {self.entity} {self.mode.value}, {self.fetched:,} fetched, "
            f"{self.written:,} written, {self.deleted:,} deleted"
        )

    @property
    def named_error(self) -> str:
        """Why it failed, after its name."""
        return f"{self.entity}: {self.error}"

    def to_json(self) -> dict[str, object]:
        """The entry of ``ledgerguard sync --json``."""
        entry: dict[str, object] = {
            "realm_id": self.realm_id,
            "entity": self.entity,
            "mode": self.mode.value,
            "fetched": self.fetched,
            "written": self.written,
            "updated": self.updated,
            "renamed": self.renamed,
            "deleted": self.deleted,
            "unchanged": self.unchanged,
            "quarantined": self.quarantined,
            "api_calls": self.api_calls,
            "status": self.status,
            "error": self.error,
            "note": self.note,
        }
        if self.finding is not None:
            entry["reconciled"] = self.finding.to_json()
        return entry


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The outcome of a sync over one or several companies.

    ``api_calls`` are HTTP calls; ``metered_calls`` what Intuit meters (each item of a batch).
    """

    results: tuple[EntityResult, ...] = ()
    api_calls: int = 0
    metered_calls: int = 0
    duration_seconds: float = 0.0
    errors: tuple[str, ...] = field(default=())
    misconfigured: LedgerGuardError | None = field(default=None, compare=False)
    """What is wrong with the installation itself, where that is why entities failed."""

    @property
    def ok(self) -> bool:
        """True when no entity failed."""
        return not self.errors and all(result.status != "failed" for result in self.results)

    @property
    def failed(self) -> tuple[EntityResult, ...]:
        """The entities that failed."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def total_entities_written(self) -> int:
        """New versions of living objects over all entities."""
        return sum(result.written for result in self.results)

    def __add__(self, other: SyncResult) -> SyncResult:
        return SyncResult(
            self.results + other.results,
            self.api_calls + other.api_calls,
            self.metered_calls + other.metered_calls,
            self.duration_seconds + other.duration_seconds,
            self.errors + other.errors,
            self.misconfigured or other.misconfigured,
        )

    def to_json(self) -> dict[str, object]:
        """The document of ``ledgerguard sync --json`` and ``run_batch_ingestion``.

        ``errors`` holds a sentence for every failure: of a company as a whole, and of each
        entity, which then begins with its name.
        """
        return {
            "total_entities_written": self.total_entities_written,
            "duration_seconds": round(self.duration_seconds, 3),
            "api_calls": self.api_calls,
            "metered_calls": self.metered_calls,
            "results": [result.to_json() for result in self.results],
            "errors": [*self.errors, *(each.named_error for each in self.failed)],
        }
