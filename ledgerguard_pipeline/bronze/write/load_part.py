"""One load while it is written: what it brings, what is stored of that, what goes on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.bronze.write.deduplicate import Batch, collapse
from ledgerguard_pipeline.bronze.write.differences import Difference
from ledgerguard_pipeline.bronze.write.version_order import Version
from ledgerguard_pipeline.values import Record

LOAD_COLUMNS = (
    "load_id",
    "realm_id",
    "entity",
    "mode",
    "run_id",
    "final",
    "fetched",
    "written",
    "deleted",
    "unchanged",
    "stale",
    "quarantined",
    "api_calls",
    "fetched_bytes",
    "watermark",
    "started_at",
    "loaded_at",
)


@dataclass(slots=True)
class LoadPart:
    """A load and, step by step, what becomes of its records."""

    load: Load
    loaded_at: datetime
    batch: Batch = field(init=False)
    stored: Mapping[str, Version] = field(default_factory=dict)
    """By id, the newest stored versions of what the load brings."""
    chosen: Sequence[tuple[Record, Version]] = ()
    """What is written."""
    fields: tuple[str, ...] = ()
    """Fields that were never seen before."""

    def __post_init__(self) -> None:
        load = self.load
        self.batch = collapse(load) if load.records or load.rejects else Batch()

    def outcome(self) -> LoadOutcome:
        """What became of the records; how many wait in quarantine is not known here."""
        load, batch = self.load, self.batch
        deleted = sum(1 for _, version in self.chosen if version.gone)
        return LoadOutcome(
            load_id=str(load.load_id),
            realm_id=str(load.realm_id),
            entity=load.entity.name,
            fetched=len(load.records) + len(load.rejects),
            written=len(self.chosen) - deleted,
            deleted=deleted,
            unchanged=batch.unchanged,
            stale=batch.stale,
            quarantined=len(batch.rejects),
            new_fields=self.fields,
            live_delta=self._growth(),
            updated=self._updates(),
            renamed=sum(why is Difference.RENAMED for why in batch.restated.values()),
        )

    def record(self, outcome: LoadOutcome) -> tuple[object, ...]:
        """The load's row of ``_loads``, in the order of ``LOAD_COLUMNS``."""
        load = self.load
        return (
            outcome.load_id,
            outcome.realm_id,
            outcome.entity,
            load.mode.value,
            None if load.run_id is None else str(load.run_id),
            load.final,
            outcome.fetched,
            outcome.written,
            outcome.deleted,
            outcome.unchanged,
            outcome.stale,
            outcome.quarantined,
            load.api_calls,
            load.fetched_bytes,
            load.watermark,
            load.started_at,
            self.loaded_at,
        )

    def _growth(self) -> int:
        """By how many living objects the entity grows once the chosen versions are on top."""
        grown = 0
        for record, version in self.chosen:
            held = self.stored.get(record.id)
            was_alive = held is not None and not held.gone
            grown += (not version.gone) - was_alive
        return grown

    def _updates(self) -> int:
        """How many objects that were held alive changed; another name alone is no change."""
        return sum(
            not version.gone
            and (held := self.stored.get(record.id)) is not None
            and not held.gone
            and self.batch.restated.get(record.id) is not Difference.RENAMED
            for record, version in self.chosen
        )


def nothing_of(load: Load) -> LoadOutcome:
    """The outcome of a load that brings no records."""
    return LoadOutcome(
        load_id=str(load.load_id),
        realm_id=str(load.realm_id),
        entity=load.entity.name,
        fetched=0,
        written=0,
        deleted=0,
        unchanged=0,
        stale=0,
        quarantined=0,
    )
