"""The deployment on Celery, really run: companies load at once, a worker is killed, nothing lacks.

PostgreSQL and Redis come out of wheels; Dagster's instance, workspace and worker configuration are
the files in `deploy/`. Everything else is processes as their units start them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.keys import REALM_TAG, WEBHOOK_JOB
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.deploy.loading import (
    await_status,
    connect_all,
    edit_and_await,
    mid_run,
    story,
)
from ledgerguard_pipeline_tests.deploy.stack import WORKERS, Stack, kill, wait
from ledgerguard_pipeline_tests.ingestion.company_books import differing

pytestmark = [pytest.mark.timeout(600)]

COMPANIES = 3
KEPT = ("Account", "Customer", "Invoice", "Vendor")
NOTICED_SECONDS = 90.0
"""Within which a killed run has to be known as such, on a machine that has other things to do."""
REPEATED_SECONDS = 300.0
"""Dagster gives a repeated run two minutes to start before it begins it once more."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("celery")
    with (
        SandboxProcess(companies=COMPANIES, invoices=40, latency_ms=200) as sandbox,
        Stack(
            folder,
            sandbox,
            LEDGERGUARD_ENTITIES=",".join(KEPT),
            LEDGERGUARD_SILVER="off",
        ) as stack,
    ):
        stack.start()
        yield stack


@pytest.fixture(scope="module")
def installation(stack: Stack) -> Iterator[Installation]:
    with Installation.open(stack.settings) as opened:
        connect_all(stack, opened)
        yield opened


@pytest.fixture(scope="module")
def killed(stack: Stack, installation: Installation) -> dg.DagsterRun:
    """A run whose worker was killed with SIGKILL while it loaded; the worker is started again."""
    run, process_id = wait(
        lambda: mid_run(stack, installation, loaded=range(1, len(KEPT))), 150, "a run under way"
    )
    group = os.getpgid(process_id)
    name = next(name for name in WORKERS if stack.processes[name].pid == group)
    kill(stack.processes[name], signal.SIGKILL)
    stack.processes[name].wait(20)
    found = stack.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.STARTED, "the run ended before its worker was killed"
    stack.start_worker(name)
    return found


def await_with_story(stack: Stack, ask: Callable[[], bool], what: str) -> None:
    """Wait; what does not come is reported with what the runs did last."""
    try:
        wait(ask, REPEATED_SECONDS, what)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{story(stack)}\n{stack.log('daemon')}") from None


def test_a_killed_workers_run_is_noticed_and_done_again(
    stack: Stack, killed: dg.DagsterRun
) -> None:
    await_status(stack, killed.run_id, dg.DagsterRunStatus.FAILURE, NOTICED_SECONDS)

    def repeated() -> bool:
        return any(
            record.dagster_run.root_run_id == killed.run_id
            for record in stack.runs(dg.DagsterRunStatus.SUCCESS)
        )

    await_with_story(stack, repeated, "the repeated run")


def test_every_company_ends_equal_to_its_books(
    stack: Stack, installation: Installation, killed: dg.DagsterRun
) -> None:
    def loaded() -> bool:
        done = stack.runs(dg.DagsterRunStatus.SUCCESS)
        return {record.dagster_run.tags[REALM_TAG] for record in done} >= set(stack.sandbox.realms)

    await_with_story(stack, loaded, "the first load of every company")
    for realm in stack.sandbox.realms:
        assert (
            differing(installation, stack.sandbox, entity_types(KEPT), parse_realm(realm)) == {}
        ), realm
    assert killed.tags[REALM_TAG] in stack.sandbox.realms


def test_the_next_event_of_the_company_arrives(
    stack: Stack, installation: Installation, killed: dg.DagsterRun
) -> None:
    realm = killed.tags[REALM_TAG]
    edit_and_await(stack, installation, realm)
    assert differing(installation, stack.sandbox, entity_types(KEPT), parse_realm(realm)) == {}
    (run,) = [
        record.dagster_run
        for record in stack.instance.get_run_records(dg.RunsFilter(job_name=WEBHOOK_JOB))
    ]
    assert run.tags[REALM_TAG] == realm
