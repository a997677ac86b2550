"""Noticing a company that was just connected, and sweeping the companies where they are many.

Decisions 78 and 95 in docs/decisions.md.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.connected_companies import ListCompanies
from ledgerguard_pipeline.defs.fleet.due_sweeps import Due, SweepTimes
from ledgerguard_pipeline.defs.fleet.shards import (
    ReadPolicy,
    SweepPolicy,
    SweepTask,
    request_sweep,
    shards_of,
    sweeps_under_way,
)
from ledgerguard_pipeline.defs.jobs import Jobs
from ledgerguard_pipeline.defs.partitions import current_cell, known_realms, realm_partitions
from ledgerguard_pipeline.defs.scheduling.first_loads import FirstLoads, Served, launched, texts
from ledgerguard_pipeline.defs.site import at_site, current_site

KEYS_AT_ONCE = 500
"""Dagster adds keys by one statement, and SQLite takes so many values in one."""


def build_new_company_sensor(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    companies: ListCompanies,
    policy: ReadPolicy = SweepPolicy,
    sweeps: SweepTimes | None = None,
    clock: Clock = SYSTEM_CLOCK,
    first_loads: FirstLoads | None = None,
) -> dg.SensorDefinition:
    """Adds a newly connected company to the grid and launches its first load.

    The cursor remembers which connection of each company was served. Should it be lost, the run
    key, which names that connection too, keeps the load from being launched twice. A first load
    whose run is over while ``first_loads`` calls it incomplete is launched again, three times;
    then the schedules take it up: what was never loaded is walked in full by any sync.

    Many companies are loaded by sweeps, which find out themselves which were never loaded; then
    the cursor only tells whether the connections are the ones that were served. Then this sensor
    also starts the ``sweeps`` that keep the companies current.
    """

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
        if not by_realm:
            return dg.SkipReason("No company is connected.")
        known = set(known_realms(context.instance))
        missing = [realm for realm in by_realm if realm not in known]
        served = read_cursor(context.cursor)
        chosen = policy()
        if len(by_realm) > chosen.above:
            busy = sweeps_under_way(context.instance)
            due = Due({}) if sweeps is None else sweeps.due(clock.now(), served, busy)
            for note in due.notes:
                context.log.info(note)
            digests = _digests(by_realm.values(), chosen.shards)
            before = {name: Served.read(served.get(name)) for name in digests}
            loads = launched(before, digests, busy)
            if first_loads is not None:
                loads |= first_loads.of_shards(context.instance, before, loads, by_realm.values())
            return _by_sweeps(missing, digests, loads, served, due)
        connected = {realm: each.connected_at.isoformat() for realm, each in by_realm.items()}
        before = {realm: Served.read(served.get(realm)) for realm in connected}
        loads = launched(before, connected)
        if first_loads is not None:
            loads |= first_loads.of_companies(context.instance, before, by_realm)
        if loads == before and not missing:
            return _NOTHING_NEW
        return dg.SensorResult(
            dynamic_partitions_requests=add_requests(missing),
            run_requests=[
                dg.RunRequest(
                    run_key=f"first-load:{realm}:{load.key}",
                    job_name=jobs.all.name,
                    partition_key=current_cell(cells, realm),
                    tags=company_tags(by_realm[realm]),
                )
                for realm, load in loads.items()
                if load.begins_after(before[realm])
            ],
            cursor=json.dumps(served | texts(loads), sort_keys=True),
        )

    return new_company


_NOTHING_NEW = dg.SkipReason("Every connected company has its partitions and its first load.")


def _by_sweeps(
    missing: Sequence[str],
    digests: Mapping[str, str],
    loads: Mapping[str, Served],
    served: Mapping[str, str],
    due: Due,
) -> dg.SensorResult | dg.SkipReason:
    """One run per shard that has a connection nobody served yet; shards at work come later."""
    before = {name: Served.read(served.get(name)) for name in digests}
    waiting = any(loads[name].what != digest for name, digest in digests.items())
    times = {name: at for name, at in served.items() if name in due.served}
    if loads == before and not waiting and not missing and times == due.served:
        return _NOTHING_NEW
    return dg.SensorResult(
        dynamic_partitions_requests=add_requests(missing),
        run_requests=[
            *(
                request_sweep(shard, f"{shard.name}:{loads[shard.name].key}", named=True)
                for shard in shards_of(SweepTask.FIRST, len(digests))
                if loads[shard.name].begins_after(before[shard.name])
            ),
            *due.requests,
        ],
        cursor=json.dumps(texts(loads) | due.served, sort_keys=True),
    )


def add_requests(realms: Sequence[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """Requests to add partitions, in chunks that any storage takes."""
    return [
        realm_partitions().build_add_request(list(realms[first : first + KEYS_AT_ONCE]))
        for first in range(0, len(realms), KEYS_AT_ONCE)
    ]


def _digests(companies: Collection[Company], shards: int) -> dict[str, str]:
    """Which connections each shard of first loads has, in short."""
    connected = {str(each.realm_id): each.connected_at.isoformat() for each in companies}
    found = {}
    for shard in shards_of(SweepTask.FIRST, shards):
        mine = sorted(item for item in connected.items() if shard.holds(item[0]))
        found[shard.name] = hashlib.sha256(json.dumps(mine).encode()).hexdigest()[:16]
    return found


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
