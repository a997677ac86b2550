"""The run queue, which knows whose run each is.

``dagster.yaml`` lets one run per company work at a time, by a tag that schedules and sensors set.
What a person launches in the UI, and what a backfill launches, names the company only in its
partition: here such a run gets the tag before it is queued. Another project's instance can use it
too, as ``ledgerguard_pipeline.dagster.CompanyRunCoordinator``.
"""

from collections.abc import Mapping

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.defs.run_tags import PARTITION_TAG, company_of
from ledgerguard_pipeline.defs.site import PREFIX

_COMPANIES = (REALM, f"{PREFIX}_{REALM}")
"""Names under which instances know companies; others are tagged when their runs begin."""


class CompanyRunCoordinator(QueuedRunCoordinator):
    """Dagster's own queue; a run about one company is queued as that company's."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        realm = self._company(run.tags)
        if realm is not None and REALM_TAG not in run.tags:
            self._instance.add_run_tags(run.run_id, {REALM_TAG: realm})
        return super().submit_run(context)

    def _company(self, tags: Mapping[str, str]) -> str | None:
        """The company of a run; the queue also takes runs whose partitions are anything else.

        A dimension called realm says whose run it is by an id. A range, and a partition that is the
        whole company as of Silver, may be of assets that have nothing to do with us: there the
        instance has to know the company.
        """
        named = company_of(tags) or tags.get(PARTITION_NAME_TAG, "")
        if not named.isdecimal():
            return None
        if PARTITION_TAG in tags:
            return named
        known = any(self._instance.has_dynamic_partition(name, named) for name in _COMPANIES)
        return named if known else None
