"""Whether a run that failed is still worth an alert.

What comes again by itself is over with its own next success: a schedule's job, a sweep, a run for
webhook events. What a person launched may never come again, nor may the job of a schedule once
companies are swept, or a sweep once its events are gone: that is over when the company was synced
since, by whatever run, and none of its types fails.

Decision 116 in docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from ledgerguard_pipeline.alerts.policy import Alert
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.fleet.incomplete import lacking_first_loads
from ledgerguard_pipeline.defs.fleet.shards import Shard, SweepPolicy, SweepTask
from ledgerguard_pipeline.defs.keys import (
    ATTACHMENTS_JOB,
    CHANGES_JOB,
    FLEET_JOB,
    FORMER_JOBS,
    JOURNAL_JOB,
    QUERIED_JOB,
    REALM_TAG,
    RECONCILE_JOB,
    SILVER_JOB,
    SWEEP_TAG,
    WEBHOOK_JOB,
)
from ledgerguard_pipeline.defs.run_tags import PARTITION_TAG
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.values import RealmId

_NOT_OF_MANY = (CHANGES_JOB, QUERIED_JOB, RECONCILE_JOB, SILVER_JOB, JOURNAL_JOB, ATTACHMENTS_JOB)
"""Jobs whose schedules start nothing where there are more companies than have runs of their own."""


@dataclass(frozen=True, slots=True)
class LaterSuccesses:
    """Looks for what came after a failed run; ``scheduled`` are the jobs that a schedule starts,
    ``failing`` the companies of which a type fails.
    """

    instance: dg.DagsterInstance
    control: ControlPlane
    settings: Settings
    scheduled: AbstractSet[str]
    failing: AbstractSet[str]

    def still_failing(self, realm: str, finding: Alert) -> bool:
        """Whether nothing that came after the failed run shows that it is over."""
        failed = self.instance.get_run_record_by_id(finding.run_id)
        if failed is None:
            return False
        shard = Shard.named(failed.dagster_run.tags.get(SWEEP_TAG, ""))
        if shard is not None:
            return self._sweep_fails(failed, shard, realm)
        mine: list[dict[str, str]] = [{REALM_TAG: realm}, {PARTITION_TAG: realm}] if realm else [{}]
        job = failed.dagster_run.job_name
        # A release may have given the job another name meanwhile.
        if self._succeeded(failed, mine, [job, FORMER_JOBS.get(job, job)]):
            return False
        if not realm or self._comes_again(job, realm):
            return True
        return realm in self.failing or not (
            self._succeeded(failed, mine, [None]) or self._synced_since(failed, realm)
        )

    def _sweep_fails(self, failed: dg.RunRecord, shard: Shard, realm: str) -> bool:
        again = self._is_swept_again(shard, realm)
        if again or not realm:
            # The one that is not made any more has no success of its own.
            tags = {SWEEP_TAG: shard.name} if again else {}
            if not self._succeeded(failed, [tags], [current_site().name(FLEET_JOB)]):
                return True
        # A sweep is green when any of its companies worked.
        return bool(realm) and (realm in self.failing or not self._synced_since(failed, realm))

    def _comes_again(self, job: str, realm: str) -> bool:
        site = current_site()
        if job == site.name(WEBHOOK_JOB):
            return self._events_wait(realm)
        of_few = job in map(site.name, _NOT_OF_MANY)
        return job in self.scheduled and not (of_few and self._are_swept())

    def _is_swept_again(self, shard: Shard, realm: str) -> bool:
        if shard.task is SweepTask.EVENTS:
            return self._events_wait(realm or None)
        if not self._are_swept() or shard.of != SweepPolicy.of(self.settings).shards:
            return False
        return shard.task is not SweepTask.FIRST or self._lacks_first_loads(realm)

    def _are_swept(self) -> bool:
        return len(self._connected()) > SweepPolicy.of(self.settings).above

    def _connected(self) -> list[Company]:
        site = current_site()
        return [
            each
            for each in self.control.companies.list(ConnectionStatus.CONNECTED)
            if site.works_on(each.realm_id)
        ]

    def _events_wait(self, realm: str | None) -> bool:
        return self.control.inbox.backlog(realm).depth > 0

    def _lacks_first_loads(self, realm: str) -> bool:
        """As whoever launches first loads sees it: one company, or any."""
        mine = [each for each in self._connected() if realm in ("", each.realm_id)]
        return bool(lacking_first_loads(self.control, self.settings.kept_entities, mine))

    def _synced_since(self, failed: dg.RunRecord, realm: str) -> bool:
        ended = failed.create_timestamp
        if failed.end_time is not None:
            ended = datetime.fromtimestamp(failed.end_time, UTC)
        states = self.control.sync_states.read([RealmId(realm)]).get(RealmId(realm), {})
        return any(
            each.last_sync_at is not None and each.last_sync_at > ended for each in states.values()
        )

    def _succeeded(
        self,
        failed: dg.RunRecord,
        tags: Sequence[Mapping[str, str]],
        jobs: Sequence[str | None],
    ) -> bool:
        """Whether a later run with any of these tags, of any of these jobs, succeeded."""
        return any(
            self.instance.get_run_records(
                dg.RunsFilter(
                    job_name=job,
                    statuses=[dg.DagsterRunStatus.SUCCESS],
                    tags=dict(each),
                    created_after=failed.create_timestamp,
                ),
                limit=1,
            )
            for each in tags
            for job in dict.fromkeys(jobs)
        )


def scheduled_jobs(repository: dg.RepositoryDefinition | None) -> frozenset[str]:
    """The jobs of a code location that a schedule starts."""
    if repository is None:
        return frozenset()
    return frozenset(schedule.job_name for schedule in repository.schedule_defs)
