"""When many companies are swept: a few runs a time, however many companies there are.

The sensor that notices companies knows how many there are, so it starts the sweeps as well; with
few companies nothing more ticks. Times are those of a clock, not of the sensor: changes every so
many minutes of the day, types that are queried at seven past, counts at 3:37 (UTC). What was
started last is in the sensor's cursor, and the run key holds the time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerguard_pipeline.defs.connected_companies import LeftOut
from ledgerguard_pipeline.defs.fleet.shards import (
    ReadPolicy,
    SweepTask,
    request_sweep,
    shards_of,
)
from ledgerguard_pipeline.entities import EntityType

_DAY = 24 * 60
_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Due:
    """What a tick starts; ``served`` goes into the cursor, ``notes`` into the sensor's log."""

    served: dict[str, str]
    requests: list[dg.RunRequest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SweepTimes:
    """Which sweeps an installation makes, and when each is due."""

    entities: Sequence[EntityType]
    policy: ReadPolicy
    left_out: LeftOut

    def last(self, task: SweepTask, now: datetime, minutes: int) -> datetime | None:
        """When a task was due last; None for one that no clock starts.

        Changes are read every so many ``minutes``.
        """
        every, past = {
            SweepTask.CHANGES: (minutes, 0),
            SweepTask.QUERIED: (60, 7),
            SweepTask.RECONCILE: (_DAY, 3 * 60 + 37),
        }.get(task, (0, 0))
        if not every or not task.entities(self.entities):
            return None
        passed = int((now - _MIDNIGHT).total_seconds() // 60)
        return _MIDNIGHT + timedelta(minutes=(passed - past) // every * every + past)

    def due(self, now: datetime, served: Mapping[str, str], busy: Collection[str]) -> Due:
        """The sweeps that became due since the tick that wrote ``served``.

        The first tick only notes the times. A shard still at work is left out until next time;
        all but the sweep for changes are left out near the end of the month's call budget.
        """
        found, policy = Due({}), self.policy()
        for task in SweepTask:
            last = self.last(task, now, policy.minutes)
            if last is None:
                continue
            name, at = f"sweep_{task.value}", last.isoformat()
            found.served[name] = at
            if served.get(name, at) == at:
                continue
            why = None if task is SweepTask.CHANGES else self.left_out("This sweep")
            if why is not None:
                found.notes.append(f"{name}: {why}")
                continue
            for shard in shards_of(task, policy.shards):
                if shard.name in busy:
                    found.notes.append(f"{shard.name}: the last one is still under way")
                else:
                    request = request_sweep(shard, f"{shard.name}:{at}", named=True)
                    found.requests.append(request)
        return found
