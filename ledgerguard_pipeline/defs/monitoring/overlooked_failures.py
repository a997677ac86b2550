"""Failed runs that Dagster promised to begin again and overlooked, reported to it once more.

Dagster writes that a run failed and then, in another transaction, its new status. Its daemon reads
the first; should it look between the two, it finds a run that has not failed, and never looks at
that one again (seen in 1.13; ``findings/dagster_overlooks_a_failure_between_two_writes.sh``). Such
a run carries the promise of a retry and no retry.

Decision 41 in docs/decisions.md.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from ledgerguard_pipeline.defs.keys import REALM_TAG, SWEEP_TAG
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG, current_site

REPORTED_AGAIN_TAG = "ledgerguard/reported_again"
"""When a failure was reported once more; that happens once."""

PATIENCE_SECONDS = 30.0
"""The daemon looks every five seconds, and takes a while for each run it begins again."""
_LOOKED_BACK = timedelta(hours=1)
_PROMISED = "dagster/will_retry"
_BEGUN_AGAIN = "dagster/auto_retry_run_id"


def report_overlooked_failures(instance: dg.DagsterInstance) -> list[str]:
    """Report runs of this installation as failed whose promised retry did not come.

    Only those of the last hour: an older one was left by a daemon that was not there, and the
    schedules have brought since what it would have brought.

    Returns:
        The ids of the runs reported.
    """
    now = datetime.now(UTC)
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags={_PROMISED: "true"},
            updated_after=now - _LOOKED_BACK,
        )
    )
    overlooked = [
        record.dagster_run
        for record in records
        if record.end_time is not None
        and now.timestamp() - record.end_time >= PATIENCE_SECONDS
        and _is_overlooked(record.dagster_run.tags)
    ]
    for run in overlooked:
        # Tagged first: a retry that Dagster refuses for reasons of its own is not asked for again.
        instance.add_run_tags(run.run_id, {REPORTED_AGAIN_TAG: now.isoformat(timespec="seconds")})
        instance.report_run_failed(
            run, "Its failure is reported once more: the retry that was promised did not begin."
        )
    return [run.run_id for run in overlooked]


def _is_overlooked(tags: Mapping[str, str]) -> bool:
    if _BEGUN_AGAIN in tags or REPORTED_AGAIN_TAG in tags:
        return False
    if tags.get(INSTALLATION_TAG) != current_site().run_tags.get(INSTALLATION_TAG):
        return False
    return REALM_TAG in tags or SWEEP_TAG in tags
