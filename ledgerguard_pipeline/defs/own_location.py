"""The definitions of an installation that is a code location of its own, and mergeable all the same.

``Definitions.merge`` hands the executor of one side to the jobs of the other, and a name that both
sides have is an error. So these have no executor and no former names of jobs as long as they are
a part of something, and both when Dagster loads them as they are.

Decision 77 in docs/decisions.md.
"""

import dagster as dg
from dagster._core.definitions.repository_definition import RepositoryDefinition
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.keys import FORMER_JOBS


class OwnLocation(dg.Definitions):
    """Definitions that are more when they are loaded than when they are merged."""

    def get_repository_def(self) -> RepositoryDefinition:
        """With the in-process executor, and with jobs under their former names.

        A step in a process of its own costs six seconds, and only steps of one process share a
        sync: so a click on Materialize runs in one process as well. Former names of jobs are in
        people's scripts and in the queue of a Dagster that was upgraded.
        """
        found: RepositoryDefinition | None = self.__dict__.get("_loaded")
        if found is None:
            found = self._loaded_alone().get_repository_def()
            object.__setattr__(self, "_loaded", found)
        return found

    def _loaded_alone(self) -> dg.Definitions:
        jobs = list(self.jobs or ())
        return dg.Definitions(
            assets=self.assets,
            asset_checks=self.asset_checks,
            jobs=[*jobs, *former_jobs([job for job in jobs if isinstance(job, AssetJob)])],
            schedules=self.schedules,
            sensors=self.sensors,
            resources=self.resources,
            executor=self.executor or dg.in_process_executor,
            loggers=self.loggers,
            metadata=self.metadata,
        )


def former_jobs(jobs: list[AssetJob]) -> list[AssetJob]:
    """The same jobs under the names they had."""
    by_name = {job.name: job for job in jobs}
    return [
        dg.define_asset_job(
            former,
            selection=by_name[name].selection,
            description=f"The former name of {name}.",
            executor_def=by_name[name].executor_def,
            config=by_name[name].config,
        )
        for former, name in FORMER_JOBS.items()
        if name in by_name
    ]
