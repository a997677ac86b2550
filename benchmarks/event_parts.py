"""The parts of the way from a webhook's answer to the committed row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

import dagster as dg

from benchmarks.goals import Finding, percentile
from benchmarks.process import BenchFailed
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus, QueuedEvent
from ledgerguard_pipeline.defs.keys import BATCH_TAG, WEBHOOK_JOB


@dataclass(frozen=True, slots=True)
class EventParts:
    """Seconds of one event: all of them, and where they went."""

    whole: float
    to_the_run: float
    in_the_queue: float
    starting: float
    syncing: float

    @classmethod
    def of(cls, event: QueuedEvent, instance: dg.DagsterInstance) -> Self:
        """Of an event that is done, from the newest run of the webhook job.

        Raises:
            BenchFailed: it ended otherwise, or the newest run is no webhook's.
        """
        if event.status is not EventStatus.DONE or event.settled_at is None:
            raise BenchFailed(f"The event ended as {event.status}: {event.reason}")
        record = instance.get_run_records(dg.RunsFilter(job_name=WEBHOOK_JOB), limit=1)[0]
        if BATCH_TAG not in record.dagster_run.tags:
            raise BenchFailed("The newest run is not of this event.")
        stats = instance.get_run_stats(record.dagster_run.run_id)
        received, done = event.received_at.timestamp(), event.settled_at.timestamp()
        made = record.create_timestamp.timestamp()
        launched, started = stats.launch_time or made, stats.start_time or made
        return cls(
            done - received, made - received, launched - made, started - launched, done - started
        )

    def __str__(self) -> str:
        """The seconds in a row."""
        shown = self.whole, self.to_the_run, self.in_the_queue, self.starting, self.syncing
        return "  ".join(f"{part:5.2f}" for part in shown)


def describe(finding: Finding, events: Sequence[EventParts], *, starting: str) -> None:
    """Put the times of these events into ``finding``; ``starting`` says what starts a run."""
    whole = [each.whole for each in events]
    finding.note("fastest and slowest", f"{min(whole):.1f} s, {max(whole):.1f} s")
    for name, values in (
        ("until the sensor's tick has made a run", [each.to_the_run for each in events]),
        ("in Dagster's queue", [each.in_the_queue for each in events]),
        (starting, [each.starting for each in events]),
        ("reading, committing, acknowledging", [each.syncing for each in events]),
    ):
        finding.note(
            f"of the median: {name}",
            f"{median(values):.1f} s, p95 {percentile(values, 0.95):.1f} s",
        )
