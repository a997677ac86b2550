"""The deployment on Celery, really run: companies load at once, a worker is killed, nothing lacks.

PostgreSQL and Redis come out of wheels; Dagster's instance, workspace and worker configuration are
the files in `deploy/`. Everything else is processes as their units start them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import dagster as dg
import pytest

from ledgerguard_pipeline.control.inbox import EventStatus
from ledgerguard_pipeline.defs.keys import REALM_TAG, WEBHOOK_JOB
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.process import SandboxProcess
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.control.event_makers import delivery, event
from ledgerguard_pipeline_tests.deploy.stack import Stack, kill, wait
from ledgerguard_pipeline_tests.ingestion.company_books import differing

pytestmark = [pytest.mark.timeout(300)]

COMPANIES = 3
KEPT = ("Account", "Customer", "Invoice", "Vendor")
NOTICED_SECONDS = 90.0
"""Within which a killed run has to be known as such, on a machine that has other things to do."""

_UNDER_WAY = dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("celery")
    with (
        SandboxProcess(companies=COMPANIES, invoices=40, latency_ms=200) as sandbox,
        Stack(
            folder,
            sandbox,
            LEDGERGUARD_ENTITIES=",".join(KEPT),
        ) as stack,
    ):
        stack.start()
        yield stack


@pytest.fixture(scope="module")
def installation(stack: Stack) -> Iterator[Installation]:
    with Installation.open(stack.settings) as opened:
        for realm in stack.sandbox.realms:
            callback = urlsplit(stack.sandbox.consent(opened.connector.begin(), realm))
            opened.connector.complete(dict(parse_qsl(callback.query)))
        yield opened


@pytest.fixture(scope="module")
def killed(stack: Stack, installation: Installation) -> dg.DagsterRun:
    """A run whose worker was killed with SIGKILL while it loaded; the worker is started again."""
    run, process_id = wait(lambda: _mid_run(stack, installation), 120, "a run under way")
    name = next(
        name for name, process in stack.workers.items() if process.pid == os.getpgid(process_id)
    )
    kill(stack.workers[name], signal.SIGKILL)
    stack.workers[name].wait(20)
    found = stack.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is _UNDER_WAY, "the run ended before its worker was killed"
    stack.start_worker(name)
    return found


def _mid_run(stack: Stack, installation: Installation) -> tuple[dg.DagsterRun, int] | None:
    """A run that has loaded something and not everything, and the process that works on it."""
    for beat in installation.control.run_beats.list():
        run = stack.instance.get_run_by_id(beat.run_id)
        if run is None or run.status is not _UNDER_WAY:
            continue
        done = stack.instance.all_logs(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        if 0 < len(done) < len(KEPT):
            return run, int(beat.holder.split(":")[1])
    return None


def test_a_killed_workers_run_is_noticed_and_done_again(
    stack: Stack, killed: dg.DagsterRun
) -> None:
    began = time.monotonic()

    def failed() -> bool:
        run = stack.instance.get_run_by_id(killed.run_id)
        return run is not None and run.status is dg.DagsterRunStatus.FAILURE

    wait(failed, NOTICED_SECONDS, "the news of the killed run")
    print(f"noticed after {time.monotonic() - began:.1f} s")

    def repeated() -> bool:
        return any(
            record.dagster_run.root_run_id == killed.run_id
            for record in stack.runs(dg.DagsterRunStatus.SUCCESS)
        )

    wait(repeated, 120, "the repeated run")


def test_every_company_ends_equal_to_its_books(
    stack: Stack, installation: Installation, killed: dg.DagsterRun
) -> None:
    def loaded() -> bool:
        done = stack.runs(dg.DagsterRunStatus.SUCCESS)
        return {record.dagster_run.tags[REALM_TAG] for record in done} >= set(stack.sandbox.realms)

    wait(loaded, 120, "the first load of every company")
    for realm in stack.sandbox.realms:
        assert (
            differing(installation, stack.sandbox, entity_types(KEPT), parse_realm(realm)) == {}
        ), realm
    assert killed.tags[REALM_TAG] in stack.sandbox.realms


def test_the_next_event_of_the_company_arrives(
    stack: Stack, installation: Installation, killed: dg.DagsterRun
) -> None:
    realm = killed.tags[REALM_TAG]
    edited = str(stack.sandbox.edit("update", "Customer", realm_id=realm, note="after")["id"])
    installation.control.deliveries.accept(
        [delivery([event("after-the-kill", realm=realm, entity="Customer", object_id=edited)])]
    )

    def settled() -> bool:
        found = installation.control.inbox.list(realm=realm)
        return bool(found) and found[0].status is EventStatus.DONE

    wait(settled, 60, "the event in Bronze")
    assert differing(installation, stack.sandbox, entity_types(KEPT), parse_realm(realm)) == {}
    (run,) = [
        record.dagster_run
        for record in stack.instance.get_run_records(dg.RunsFilter(job_name=WEBHOOK_JOB))
    ]
    assert run.tags[REALM_TAG] == realm
