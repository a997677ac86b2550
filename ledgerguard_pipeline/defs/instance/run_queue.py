"""The run queue, which knows whose run each is.

``dagster.yaml`` lets one run per company work at a time, by a tag that schedules and sensors set.
What a person launches in the UI, and what a backfill launches, names the company only in its
partition: here such a run gets the tag before it is queued.
"""

from collections.abc import Mapping

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MULTIDIMENSIONAL_PARTITION_PREFIX,
)

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM

PARTITION_TAG = f"{MULTIDIMENSIONAL_PARTITION_PREFIX}{REALM}"


class CompanyRunCoordinator(QueuedRunCoordinator):
    """Dagster's own queue; a run about one company is queued as that company's."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        realm = company_of(run.tags)
        if realm is not None and REALM_TAG not in run.tags:
            self._instance.add_run_tags(run.run_id, {REALM_TAG: realm})
        return super().submit_run(context)


def company_of(tags: Mapping[str, str]) -> str | None:
    """The company a run is about by its tags; None if it is about several or about none."""
    named = tags.get(REALM_TAG) or tags.get(PARTITION_TAG)
    if named:
        return named
    first, last = (
        tags.get(tag, "").partition("|")[0]
        for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    )
    return first if first and last in (first, "") else None
