"""Noticing a company that was just connected."""

import json

import dagster as dg

from ledgerguard_pipeline.defs.companies import ListCompanies
from ledgerguard_pipeline.defs.jobs import Jobs
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM, current_cell, realm_partitions


def build_new_company_sensor(
    jobs: Jobs, cells: dg.MultiPartitionsDefinition, companies: ListCompanies
) -> dg.SensorDefinition:
    """Adds a newly connected company to the grid and launches its first load.

    The cursor remembers which connection of each company was served. Should it be lost, the run
    key, which names that connection too, keeps the load from being launched twice. A first load
    that fails is taken up by the schedules: what was never loaded is walked in full by any sync.
    """

    @dg.sensor(
        name="new_company",
        job=jobs.all,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds newly connected companies as partitions and loads them for the first "
        "time.",
    )
    def new_company(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        served = read_cursor(context.cursor)
        connected = {company.realm_id: company.connected_at.isoformat() for company in companies()}
        if not connected:
            return dg.SkipReason("No company is connected.")
        known = set(context.instance.get_dynamic_partitions(REALM))
        fresh = [realm for realm, since in connected.items() if served.get(realm) != since]
        missing = [realm for realm in connected if realm not in known]
        if not fresh and not missing:
            return dg.SkipReason("Every connected company has its partitions and its first load.")
        return dg.SensorResult(
            dynamic_partitions_requests=(
                [realm_partitions.build_add_request(missing)] if missing else []
            ),
            run_requests=[
                dg.RunRequest(
                    run_key=f"first-load:{realm}:{connected[realm]}",
                    partition_key=current_cell(cells, realm),
                    tags={REALM_TAG: realm},
                )
                for realm in fresh
            ],
            cursor=json.dumps(served | connected, sort_keys=True),
        )

    return new_company


def read_cursor(text: str | None) -> dict[str, str]:
    """Connection time by company; a cursor that cannot be read counts as none."""
    if not text:
        return {}
    try:
        served = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(served, dict):
        return {}
    return {str(realm): str(since) for realm, since in served.items()}
