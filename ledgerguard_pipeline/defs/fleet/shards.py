"""The kinds of sweeps, their companies, and how their runs are requested.

A company belongs to one shard for good (a hash of its id), so two runs of a sweep never meet and
the number of runs does not grow with the number of companies.

Decision 36 in docs/decisions.md.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import dagster as dg

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.keys import BATCH_TAG, FLEET_JOB, LATE_TAG, SWEEP_TAG
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import EntityType


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """From how many companies on sweeps replace runs of their own, and how they are cut."""

    above: int = 20
    shards: int = 1
    minutes: int = 15

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As configured."""
        return cls(
            settings.ledgerguard_sweep_above,
            settings.ledgerguard_sweep_shards,
            settings.ledgerguard_sweep_minutes,
        )


ReadPolicy = Callable[[], SweepPolicy]
"""The policy when something runs: a project of somebody else's loads without reading settings."""


def current_policy() -> SweepPolicy:
    """As the settings of the surrounding site say now.

    Raises:
        ConfigurationError: a setting is not usable, or a variable is not set.
    """
    return SweepPolicy.of(current_settings())


UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
OWN_RUNS = 4
"""Companies that get a run of their own after a sweep, at most: what is late stays in order."""

_LATE_NAMED = 50
_NAME = re.compile(r"(?P<task>[a-z]+)/(?P<number>\d+)of(?P<of>\d+)", re.ASCII)


class SweepTask(StrEnum):
    """The work of a sweep for each company."""

    CHANGES = "changes"
    """Read what changed, one call for all types change data capture covers."""
    QUERIED = "queried"
    """Read the types change data capture leaves out, one batch call."""
    RECONCILE = "reconcile"
    """Compare counts, repair what differs."""
    FIRST = "first"
    """Load those that were never loaded completely."""
    EVENTS = "events"
    """Read the objects webhook events are about."""

    def entities(self, kept: Sequence[EntityType]) -> tuple[EntityType, ...]:
        """The entity types the task is about."""
        match self:
            case SweepTask.CHANGES:
                return tuple(each for each in kept if each.cdc)
            case SweepTask.QUERIED:
                return tuple(each for each in kept if not each.cdc)
            case SweepTask.RECONCILE:
                return tuple(each for each in kept if each.countable)
            case _:
                return tuple(kept)


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the companies in one task."""

    task: SweepTask
    number: int
    of: int

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The shard of this name; None for what is none."""
        found = _NAME.fullmatch(name)
        if found is None or found["task"] not in [task.value for task in SweepTask]:
            return None
        return cls(SweepTask(found["task"]), int(found["number"]), int(found["of"]))

    @property
    def name(self) -> str:
        """As written in ``SWEEP_TAG``."""
        return f"{self.task.value}/{self.number}of{self.of}"

    def holds(self, realm_id: str) -> bool:
        """Whether a company belongs to this shard."""
        return shard_of(realm_id, self.of) == self.number


def shard_of(realm_id: str, shards: int) -> int:
    """The shard of a company, the same in every process and release."""
    return int.from_bytes(hashlib.sha256(realm_id.encode()).digest()[:8], "big") % shards


def shards_of(task: SweepTask, shards: int) -> list[Shard]:
    """All shards of a task."""
    return [Shard(task, number, shards) for number in range(shards)]


def request_sweep(
    shard: Shard,
    run_key: str,
    *,
    batch: str | None = None,
    named: bool = False,
    tags: dict[str, str] | None = None,
) -> dg.RunRequest:
    """The run of one shard; ``named`` where the asking sensor has several jobs."""
    config: dict[str, object] = {
        "task": shard.task.value, "shard": shard.number, "shards": shard.of,
    }  # fmt: skip
    if batch is not None:
        config["batch"] = batch
    return dg.RunRequest(
        run_key=run_key,
        job_name=current_site().name(FLEET_JOB) if named else None,
        run_config={"ops": {current_site().name("sweep"): {"config": config}}},
        tags={
            SWEEP_TAG: shard.name,
            **current_site().run_tags,
            **({} if batch is None else {BATCH_TAG: batch}),
            **(tags or {}),
        },
    )


def sweeps_under_way(instance: dg.DagsterInstance) -> set[str]:
    """Names of the shards whose last run is not done, in one look."""
    runs = instance.get_runs(
        dg.RunsFilter(job_name=current_site().name(FLEET_JOB), statuses=UNFINISHED)
    )
    return {run.tags.get(SWEEP_TAG, "") for run in runs}


def late_companies(instance: dg.DagsterInstance, shards: int) -> list[str]:
    """Companies the last sweeps for changes had too little time for, in one look."""
    runs = instance.get_runs(
        dg.RunsFilter(
            job_name=current_site().name(FLEET_JOB),
            tags={SWEEP_TAG: [shard.name for shard in shards_of(SweepTask.CHANGES, shards)]},
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
        ),
        limit=shards,
    )
    late = [realm for run in runs for realm in run.tags.get(LATE_TAG, "").split(",") if realm]
    return list(dict.fromkeys(late))[:OWN_RUNS]


def late_tag(realms: Iterable[str]) -> dict[str, str]:
    """What a run leaves behind for ``late_companies``."""
    named = sorted(realms)[:_LATE_NAMED]
    return {LATE_TAG: ",".join(named)} if named else {}
