"""Starting the syncs that somebody asked for on the company page."""

import json
from collections.abc import Sequence

import dagster as dg

from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.connected_companies import ListCompanies
from ledgerguard_pipeline.defs.jobs import Jobs, keys_of
from ledgerguard_pipeline.defs.keys import TRIGGER_TAG
from ledgerguard_pipeline.defs.partitions import current_cell, known_realms
from ledgerguard_pipeline.defs.run_context import OpenControl
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import add_requests, read_cursor
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import EntityType

_NOTHING = dg.SkipReason("Nobody asked for a sync.")


def build_sync_request_sensor(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    entities: Sequence[EntityType],
    companies: ListCompanies,
    control: OpenControl,
) -> dg.SensorDefinition:
    """One run per request, of the company's current window and the entity types asked for.

    The cursor remembers which request of each company was served; should it be lost, the run key keeps
    it from being served twice. A request for a company that may not be called is let go.
    """
    by_name = {each.name: each for each in entities}

    @dg.sensor(
        name=current_site().name("sync_requests"),
        job_name=jobs.all.name,
        minimum_interval_seconds=5,
        default_status=current_site().sensor_status,
        description="Starts syncs that were asked for on the company page.",
    )
    @at_site
    def sync_requests(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        with control() as plane:
            asked = plane.sync_requests.read()
        now = {str(realm): each.asked_at.isoformat() for realm, each in asked.items()}
        served = read_cursor(context.cursor)
        fresh = [each for realm, each in asked.items() if served.get(realm) != now[realm]]
        if not fresh:
            return _NOTHING
        connected = {company.realm_id: company for company in companies()}
        known = set(known_realms(context.instance))
        due = [
            each
            for each in fresh
            if each.realm_id in connected and (not each.entity or each.entity in by_name)
        ]
        return dg.SensorResult(
            dynamic_partitions_requests=add_requests(
                [each.realm_id for each in due if each.realm_id not in known]
            ),
            run_requests=[
                dg.RunRequest(
                    run_key=f"asked:{each.realm_id}:{now[each.realm_id]}",
                    partition_key=current_cell(cells, each.realm_id),
                    tags={**company_tags(connected[each.realm_id]), TRIGGER_TAG: "company page"},
                    asset_selection=keys_of([by_name[each.entity]]) if each.entity else None,
                )
                for each in due
            ],
            cursor=json.dumps(now, sort_keys=True),
        )

    return sync_requests
