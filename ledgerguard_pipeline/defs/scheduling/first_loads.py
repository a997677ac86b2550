"""First loads that did not come through: their run died, or a disk was full, and nobody is at them.

A load that was launched is not yet a load. Dagster begins a killed run again, but not one whose
step failed, and neither where its daemon was down at the wrong moment; the schedule would come, up
to a quarter of an hour later. So whoever launches a first load looks until it is complete.

Decision 95 in docs/decisions.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Self

import dagster as dg

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.defs.fleet.incomplete import lacking_first_loads
from ledgerguard_pipeline.defs.fleet.shards import UNFINISHED, SweepTask, shards_of
from ledgerguard_pipeline.defs.keys import REALM_TAG, SWEEP_TAG
from ledgerguard_pipeline.defs.run_context import OpenControl
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import EntityType

PAUSES_SECONDS = (15.0, 60.0, 300.0)
"""From the end of one try to the next. The first leaves Dagster the time to begin a killed run
again by itself; after the last, the schedules take up what is left."""
_NEWEST_RUNS = 10
_UNDER_WAY = (*UNFINISHED, dg.DagsterRunStatus.CANCELING)


class Next(Enum):
    """What is done about a first load that was launched and is not complete."""

    WAIT = auto()
    """A run is under way, or the pause after the last one is not over."""
    AGAIN = auto()
    LEAVE = auto()
    """Somebody canceled it, or it was tried often enough: the schedules go on with it."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a cursor says of a company or a shard: ``what`` was launched ``tries`` times.

    No tries mean that it needs no more looking after.
    """

    what: str
    tries: int = 0

    @classmethod
    def read(cls, text: str | None) -> Self:
        """From the cursor of any version; what was served by an older one is not looked after."""
        what, _, tries = (text or "").partition(" ")
        return cls(what, int(tries) if tries.isdecimal() else 0)

    def __str__(self) -> str:
        return f"{self.what} {self.tries}" if self.tries else self.what

    def begins_after(self, before: "Served") -> bool:
        """Whether a run has to begin, where the cursor said ``before`` until now."""
        return self.what != before.what or self.tries > before.tries

    @property
    def key(self) -> str:
        """What tells one try from another; the first is called as it always was."""
        return f"{self.what}:{self.tries}" if self.tries > 1 else self.what


def launched(
    before: Mapping[str, Served], now: Mapping[str, str], busy: Collection[str] = ()
) -> dict[str, Served]:
    """What is new is launched for the first time, but for those at work, which come later."""
    return {
        name: before[name] if name in busy or before[name].what == what else Served(what, 1)
        for name, what in now.items()
    }


def texts(loads: Mapping[str, Served]) -> dict[str, str]:
    """For the cursor."""
    return {name: str(load) for name, load in loads.items()}


@dataclass(frozen=True, slots=True)
class FirstLoads:
    """Looks after first loads that were launched, by what the control plane knows."""

    kept: Sequence[EntityType]
    control: OpenControl
    clock: Clock = SYSTEM_CLOCK

    def of_companies(
        self,
        instance: dg.DagsterInstance,
        before: Mapping[str, Served],
        companies: Mapping[str, Company],
    ) -> dict[str, Served]:
        """What changes about the runs of companies; one with more tries is launched again."""
        watched = {
            realm: load
            for realm, load in before.items()
            if load.tries and load.what == companies[realm].connected_at.isoformat()
        }
        lacking = self._lacking([companies[realm] for realm in watched], since_connected=True)
        return self._looked_after(instance, watched, lacking, REALM_TAG)

    def of_shards(
        self,
        instance: dg.DagsterInstance,
        before: Mapping[str, Served],
        now: Mapping[str, Served],
        companies: Collection[Company],
    ) -> dict[str, Served]:
        """What changes about sweeps, which load what was never loaded."""
        watched = {name: load for name, load in before.items() if load.tries and load == now[name]}
        lacking = self._lacking(companies if watched else (), since_connected=False)
        unfinished = {
            shard.name
            for shard in shards_of(SweepTask.FIRST, len(before))
            if any(shard.holds(realm) for realm in lacking)
        }
        return self._looked_after(instance, watched, unfinished, SWEEP_TAG)

    def _lacking(self, companies: Collection[Company], *, since_connected: bool) -> set[str]:
        if not companies:
            return set()
        with self.control() as control:
            return lacking_first_loads(
                control, self.kept, companies, since_connected=since_connected
            )

    def _looked_after(
        self,
        instance: dg.DagsterInstance,
        watched: Mapping[str, Served],
        lacking: Collection[str],
        tag: str,
    ) -> dict[str, Served]:
        changed = {}
        for name, load in watched.items():
            tags = {tag: name, **current_site().run_tags}
            now = self.clock.now()
            step = what_next(instance, tags, load.tries, now) if name in lacking else Next.LEAVE
            if step is Next.LEAVE:
                changed[name] = Served(load.what)
            elif step is Next.AGAIN:
                changed[name] = Served(load.what, load.tries + 1)
        return changed


def what_next(
    instance: dg.DagsterInstance, tags: Mapping[str, str], tries: int, now: datetime
) -> Next:
    """About the load whose runs carry ``tags``, which was launched ``tries`` times."""
    runs = instance.get_run_records(dg.RunsFilter(tags=dict(tags)), limit=_NEWEST_RUNS)
    if any(each.dagster_run.status in _UNDER_WAY for each in runs):
        return Next.WAIT
    if runs and runs[0].dagster_run.status is dg.DagsterRunStatus.CANCELED:
        return Next.LEAVE
    if tries > len(PAUSES_SECONDS):
        return Next.LEAVE
    ended = runs[0].end_time if runs else None
    # A clock that was set back in between makes nobody wait.
    early = ended is not None and abs(now.timestamp() - ended) < PAUSES_SECONDS[tries - 1]
    return Next.WAIT if early else Next.AGAIN
