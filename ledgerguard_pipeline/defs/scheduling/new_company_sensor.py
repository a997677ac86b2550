"""Noticing a company that was just connected, and sweeping the companies where they are many.

Decision 78 in docs/decisions.md.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.connected_companies import ListCompanies
from ledgerguard_pipeline.defs.fleet.due_sweeps import Due, SweepTimes
from ledgerguard_pipeline.defs.fleet.shards import (
    SweepPolicy,
    SweepTask,
    request_sweep,
    shard_of,
    shards_of,
    sweeps_under_way,
)
from ledgerguard_pipeline.defs.jobs import Jobs
from ledgerguard_pipeline.defs.partitions import current_cell, known_realms, realm_partitions
from ledgerguard_pipeline.defs.site import at_site, current_site

KEYS_AT_ONCE = 500
"""Dagster adds keys by one statement, and SQLite takes so many values in one."""


def build_new_company_sensor(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    companies: ListCompanies,
    policy: SweepPolicy | None = None,
    sweeps: SweepTimes | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> dg.SensorDefinition:
    """Adds a newly connected company to the grid and launches its first load.

    The cursor remembers which connection of each company was served. Should it be lost, the run
    key, which names that connection too, keeps the load from being launched twice. A first load
    that fails is taken up by the schedules: what was never loaded is walked in full by any sync.

    Many companies are loaded by sweeps, which find out themselves which were never loaded; then
    the cursor only tells whether the connections are the ones that were served. Then this sensor
    also starts the ``sweeps`` that keep the companies current.
    """
    policy = policy or SweepPolicy()

    @dg.sensor(
        name=current_site().name("new_company"),
        jobs=[jobs.all, jobs.fleet],
        minimum_interval_seconds=10,
        default_status=current_site().sensor_status,
        description="Adds newly connected companies as partitions and loads them for the first "
        "time. Where there are many, it also starts the sweeps that keep them current.",
    )
    @at_site
    def new_company(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        by_realm = {str(company.realm_id): company for company in companies()}
        connected = {realm: each.connected_at.isoformat() for realm, each in by_realm.items()}
        if not connected:
            return dg.SkipReason("No company is connected.")
        known = set(known_realms(context.instance))
        missing = [realm for realm in connected if realm not in known]
        if len(connected) > policy.above:
            served = read_cursor(context.cursor)
            busy = sweeps_under_way(context.instance)
            due = Due({}) if sweeps is None else sweeps.due(clock.now(), served, busy)
            for note in due.notes:
                context.log.info(note)
            return _by_sweeps(connected, missing, policy.shards, served, busy, due)
        served = read_cursor(context.cursor)
        fresh = [realm for realm, since in connected.items() if served.get(realm) != since]
        if not fresh and not missing:
            return _NOTHING_NEW
        return dg.SensorResult(
            dynamic_partitions_requests=add_requests(missing),
            run_requests=[
                dg.RunRequest(
                    run_key=f"first-load:{realm}:{connected[realm]}",
                    job_name=jobs.all.name,
                    partition_key=current_cell(cells, realm),
                    tags=company_tags(by_realm[realm]),
                )
                for realm in fresh
            ],
            cursor=json.dumps(served | connected, sort_keys=True),
        )

    return new_company


_NOTHING_NEW = dg.SkipReason("Every connected company has its partitions and its first load.")


def _by_sweeps(
    connected: Mapping[str, str],
    missing: Sequence[str],
    shards: int,
    served: Mapping[str, str],
    busy: Collection[str],
    due: Due,
) -> dg.SensorResult | dg.SkipReason:
    """One run per shard that has a connection nobody served yet; shards at work come later."""
    now = {
        shard.name: _digest(connected, shard.number, shards)
        for shard in shards_of(SweepTask.FIRST, shards)
    }
    changed = [
        shard
        for shard in shards_of(SweepTask.FIRST, shards)
        if now[shard.name] != served.get(shard.name)
    ]
    times = {name: at for name, at in served.items() if name in due.served}
    if not changed and not missing and times == due.served:
        return _NOTHING_NEW
    first = [shard for shard in changed if shard.name not in busy]
    kept = {name: digest for name, digest in served.items() if name in now}
    loaded = {shard.name: now[shard.name] for shard in first}
    return dg.SensorResult(
        dynamic_partitions_requests=add_requests(missing),
        run_requests=[
            *(
                request_sweep(shard, f"{shard.name}:{now[shard.name]}", named=True)
                for shard in first
            ),
            *due.requests,
        ],
        cursor=json.dumps(kept | loaded | due.served, sort_keys=True),
    )


def add_requests(realms: Sequence[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """Requests to add partitions, in chunks that any storage takes."""
    return [
        realm_partitions().build_add_request(list(realms[first : first + KEYS_AT_ONCE]))
        for first in range(0, len(realms), KEYS_AT_ONCE)
    ]


def _digest(connected: Mapping[str, str], shard: int, shards: int) -> str:
    mine = sorted(item for item in connected.items() if shard_of(item[0], shards) == shard)
    return hashlib.sha256(json.dumps(mine).encode()).hexdigest()[:16]


def read_cursor(text: str | None) -> dict[str, str]:
    """What was served: connection time by company; a cursor that cannot be read counts as none."""
    if not text:
        return {}
    try:
        served = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(served, dict):
        return {}
    return {str(realm): str(since) for realm, since in served.items()}
