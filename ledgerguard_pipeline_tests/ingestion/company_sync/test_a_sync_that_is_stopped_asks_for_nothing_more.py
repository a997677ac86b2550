"""A sync that is stopped lets calls under way end; none is repeated, and nobody waits for a permit."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.ingestion.company_sync.sync import CompanySync
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.deploy.stack import wait
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of

WITHIN_SECONDS = 60.0
"""Far less than the calls would be repeated or waited for otherwise."""


@pytest.fixture
def sync(connected: Installation, sandbox: SandboxServer) -> CompanySync:
    """A sync that nobody began yet."""
    sandbox.pop_log()
    realm = realm_of(sandbox)
    return connected.service(realm).open_sync(SyncRequest(realm, ENTITIES))


def asked(sandbox: SandboxServer) -> list[str]:
    """What was asked for, once there was an answer to something."""
    return [f"{call.endpoint} {call.target}" for call in wait(sandbox.pop_log, 60, "a first call")]


def close(sync: CompanySync) -> None:
    """Stop it while what it asked for goes on failing."""
    with ThreadPoolExecutor(1) as beside:
        beside.submit(sync.close).result(WITHIN_SECONDS)


def test_calls_under_way_end_and_are_not_repeated(
    sync: CompanySync, sandbox: SandboxServer
) -> None:
    sandbox.inject("error_503_html", next=1_000)
    with sync:
        calls = asked(sandbox)
        close(sync)
    counts = Counter(calls + [f"{call.endpoint} {call.target}" for call in sandbox.pop_log()])
    # It would be five; a second one may have begun before it was stopped.
    assert max(counts.values()) <= 2
    assert sync.errors == ()


def test_nobody_waits_for_a_company_that_cools_down(
    sync: CompanySync, sandbox: SandboxServer
) -> None:
    sandbox.inject("throttle_json", next=1_000, retry_after=300)
    with sync:
        calls = asked(sandbox)
        close(sync)
    assert len(calls + sandbox.pop_log()) <= 8
