"""The deployment on Celery: a run that somebody terminates ends, and its worker goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.deploy.loading import await_status, connect_all, mid_run, story
from ledgerguard_pipeline_tests.deploy.stack import Stack, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

KEPT = ("Account", "Customer", "Invoice", "Vendor")
ENDED_SECONDS = 100.0
"""Below the two minutes after which run monitoring would call it canceled by itself."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with (
        SandboxProcess(invoices=40) as sandbox,
        Stack(
            tmp_path, sandbox, LEDGERGUARD_ENTITIES=",".join(KEPT), LEDGERGUARD_SILVER="off"
        ) as stack,
    ):
        stack.start()
        yield stack


def test_it_is_canceled_and_not_begun_again_and_others_follow(stack: Stack) -> None:
    with Installation.open(stack.settings) as installation:
        connect_all(stack, installation)
        stack.sandbox.set(latency_ms=30_000)
        run, _ = wait(lambda: mid_run(stack, installation, loaded=range(1)), 150, "a run under way")
        # As Dagster's UI does.
        stack.instance.report_run_canceling(run)
        assert stack.instance.run_launcher.terminate(run.run_id)
        await_status(stack, run.run_id, dg.DagsterRunStatus.CANCELED, ENDED_SECONDS)
        stack.sandbox.set(latency_ms=0)
        assert [each for each in stack.runs() if each.dagster_run.parent_run_id == run.run_id] == []
        realm = run.tags[REALM_TAG]
        installation.control.sync_requests.ask(parse_realm(realm))
        wait(
            lambda: any(
                each.dagster_run.tags.get(REALM_TAG) == realm
                for each in stack.runs(dg.DagsterRunStatus.SUCCESS)
            ),
            150,
            "the next run of the company\n" + story(stack),
        )
