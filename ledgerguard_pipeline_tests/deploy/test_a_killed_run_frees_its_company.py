"""The embedded default: a run killed with SIGKILL blocks its company for moments, not hours."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.deploy.loading import (
    await_status,
    connect_all,
    edit_and_await,
    mid_run,
)
from ledgerguard_pipeline_tests.deploy.stack import Embedded, kill, wait
from ledgerguard_pipeline_tests.ingestion.company_books import differing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

KEPT = ("Account", "Customer", "Invoice", "Vendor")
NOTICED_SECONDS = 90.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Embedded]:
    with (
        SandboxProcess(invoices=40) as sandbox,
        Embedded(tmp_path, sandbox, LEDGERGUARD_ENTITIES=",".join(KEPT)) as stack,
    ):
        stack.start()
        yield stack


@pytest.mark.parametrize("with_its_daemon", [False, True])
def test_the_next_event_arrives_after_a_kill(stack: Embedded, *, with_its_daemon: bool) -> None:
    with Installation.open(stack.settings) as installation:
        connect_all(stack, installation)
        stack.sandbox.set(latency_ms=30_000)  # so the run is under way when it is killed
        run, process_id = wait(
            lambda: mid_run(stack, installation, loaded=range(1)), 150, "a run under way"
        )
        if with_its_daemon:
            kill(stack.processes["daemon"], signal.SIGKILL)
        else:
            os.kill(process_id, signal.SIGKILL)
        began = time.monotonic()
        stack.sandbox.set(latency_ms=0)
        if with_its_daemon:
            stack.start_daemon()
        await_status(stack, run.run_id, dg.DagsterRunStatus.FAILURE, NOTICED_SECONDS)
        noticed = time.monotonic() - began
        realm = run.tags[REALM_TAG]
        edit_and_await(stack, installation, realm)
        sys.stderr.write(
            f"noticed after {noticed:.1f} s, event in Bronze after "
            f"{time.monotonic() - began:.1f} s\n"
        )
        wait(
            lambda: any(
                each.dagster_run.root_run_id == run.run_id
                for each in stack.runs(dg.DagsterRunStatus.SUCCESS)
            ),
            150,
            "the repeated run",
        )
        wrong = differing(installation, stack.sandbox, entity_types(KEPT), parse_realm(realm))
        assert wrong == {}
