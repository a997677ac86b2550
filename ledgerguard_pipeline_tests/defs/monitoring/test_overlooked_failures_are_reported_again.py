"""A retry that Dagster promised and overlooked begins after all, once."""

import logging
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.monitoring import overlooked_failures
from ledgerguard_pipeline.defs.monitoring.overlooked_failures import report_overlooked_failures
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG
from ledgerguard_pipeline_tests.defs.conftest import FIRST

WILL_RETRY = {"dagster/will_retry": "true"}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlooked_failures, "PATIENCE_SECONDS", 0.0)


class RetryDaemon(EventLogConsumerDaemon):
    """Dagster's own, but for what it does with the runs it is to begin again."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__()
        self.instance = instance
        self.begun_again: list[str] = []
        self.look()  # the first look only finds out where the log ends

    def look(self) -> None:
        process = SimpleNamespace(instance=self.instance)
        for _ in self.run_iteration(cast(IWorkspaceProcessContext[Any], process)):
            pass

    @property
    def handle_updated_runs_fns(self) -> Any:
        return [self._begin_again]

    def _begin_again(
        self,
        process: IWorkspaceProcessContext[Any],
        records: Sequence[dg.RunRecord],
        _: logging.Logger,
    ) -> Iterator[None]:
        runs = [record.dagster_run for record in records]
        found = filter_runs_to_should_retry(runs, process.instance)
        self.begun_again += [run.run_id for run in found]
        yield


def failed(instance: dg.DagsterInstance, **tags: str) -> str:
    """A run that Dagster knows as failed."""
    run = instance.create_run_for_job(
        dg.GraphDefinition("some_job").to_job(),
        status=dg.DagsterRunStatus.STARTED,
        tags={REALM_TAG: FIRST, **tags},
    )
    instance.report_run_failed(run, "Its process was killed.")
    return run.run_id


def failures(instance: dg.DagsterInstance, run_id: str) -> int:
    return len(instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE))


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
@pytest.mark.usefixtures("at_once")
def test_a_failure_that_the_daemon_read_too_early_is_found_by_its_next_look(
    persistent: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = RetryDaemon(persistent)
    handle = persistent.run_storage.handle_run_event

    def handle_late(*arguments: Any) -> None:  # whatever Dagster gives
        daemon.look()  # between the event and the status
        handle(*arguments)

    with monkeypatch.context() as late:
        late.setattr(persistent.run_storage, "handle_run_event", handle_late)
        run_id = failed(persistent)
    # What Dagster writes right after it where retries are on.
    persistent.add_run_tags(run_id, WILL_RETRY)
    daemon.look()
    assert daemon.begun_again == [], "Dagster finds it by itself now"
    assert report_overlooked_failures(persistent) == [run_id]
    daemon.look()
    assert daemon.begun_again == [run_id]


@pytest.mark.usefixtures("at_once")
def test_it_is_reported_once_only(persistent: dg.DagsterInstance) -> None:
    run_id = failed(persistent, **WILL_RETRY)
    assert report_overlooked_failures(persistent) == [run_id]
    assert report_overlooked_failures(persistent) == []
    assert failures(persistent, run_id) == 2


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/will_retry": "false"},
        {},
        {**WILL_RETRY, "dagster/auto_retry_run_id": "some-run"},
        {**WILL_RETRY, INSTALLATION_TAG: "other"},
    ],
    ids=["not to be retried", "retries are off", "begun again", "of another installation"],
)
def test_others_are_left_alone(persistent: dg.DagsterInstance, tags: dict[str, str]) -> None:
    run_id = failed(persistent, **tags)
    assert report_overlooked_failures(persistent) == []
    assert failures(persistent, run_id) == 1


def test_dagster_is_left_the_time_to_begin_it(persistent: dg.DagsterInstance) -> None:
    failed(persistent, **WILL_RETRY)
    assert report_overlooked_failures(persistent) == []
