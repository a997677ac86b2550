#!/bin/sh
# Dagster 1.13.27: a run marked to be retried is never retried if the daemon looked at the wrong moment.
#
# A failure is written by two transactions: its event first, then the run's status and the tag
# dagster/will_retry. The daemon that begins failed runs again reads events behind a cursor. Should it read
# this one between the two, it finds a run that has not failed yet, puts the cursor past the event and never
# comes back, while the run goes on to say dagster/will_retry: true. On a busy machine the moment is long.
# Another event of the same failure makes the daemon look again.
#
# Output:
#   the run afterwards: FAILURE, will_retry true
#   begun again by the daemon: 0 times
#   after the failure was reported once more: 1 time
# In this product: ledgerguard_pipeline/defs/monitoring/overlooked_failures.py.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
DAGSTER_HOME='' "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import sys
from types import SimpleNamespace

import dagster as dg
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon


class RetryDaemon(EventLogConsumerDaemon):
    """Dagster's daemon as it is; instead of launching runs it notes which it would."""

    begun_again = ()

    @property
    def handle_updated_runs_fns(self):
        return [self.note]

    def note(self, process, records, logger):
        runs = [record.dagster_run for record in records]
        self.begun_again += tuple(filter_runs_to_should_retry(runs, process.instance))
        yield


retries = {"run_retries": {"enabled": True, "max_retries": 2}}
with dg.instance_for_test(temp_dir=sys.argv[1], overrides=retries) as instance:
    daemon, process = RetryDaemon(), SimpleNamespace(instance=instance)

    def look():
        list(daemon.run_iteration(process))

    look()  # the first look only notes where the log ends
    run = instance.create_run_for_job(dg.GraphDefinition("load").to_job(), status=dg.DagsterRunStatus.STARTED)
    write_status = instance.run_storage.handle_run_event

    def after_a_look(*arguments):
        look()
        write_status(*arguments)

    instance.run_storage.handle_run_event = after_a_look
    instance.report_run_failed(run, "its machine went away")
    instance.run_storage.handle_run_event = write_status
    look()
    failed = instance.get_run_by_id(run.run_id)
    missed = len(daemon.begun_again)
    instance.report_run_failed(failed, "its machine went away")
    look()
    print("the run afterwards:", failed.status.value + ",", "will_retry", failed.tags["dagster/will_retry"])
    print(f"begun again by the daemon: {missed} times")
    print(f"after the failure was reported once more: {len(daemon.begun_again)} time")
    assert (failed.status, failed.tags["dagster/will_retry"]) == (dg.DagsterRunStatus.FAILURE, "true")
    assert (missed, len(daemon.begun_again)) == (0, 1), "the behaviour changed"
PYTHON
