"""A sync that is killed anywhere repeats a little work and loses or doubles nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ledgerguard_pipeline
from ledgerguard_pipeline.capabilities import WHOLE_COMPANY, Capability
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.readers.full_load import CHUNK_PAGES
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.paging.page_walk import OVERLAP_ROWS
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, sync

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
PAGE_ROWS = 100
"""What this company hands out at once, so that few rows fill three commits."""
NEW_ROWS = PAGE_ROWS - OVERLAP_ROWS
INVOICES = 2_050
PACKAGE = Path(ledgerguard_pipeline.__file__).parent


def run_killed(names: list[str], crash_at: str) -> None:
    """Run a sync in a child process that dies at a crash point."""
    child = subprocess.run(
        [sys.executable, "-m", "ledgerguard_pipeline_tests.ingestion.company_sync.syncing", *names],
        cwd=PACKAGE.parent,
        env={**os.environ, "LEDGERGUARD_CRASH_AT": crash_at},
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


@pytest.fixture(scope="module")
def big_books(sandbox_factory: SandboxFactory) -> SandboxServer:
    sandbox = sandbox_factory(invoices=INVOICES)
    sandbox.set(limits=False)
    return sandbox


@pytest.fixture
def big(big_books: SandboxServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    for name, value in {
        "INTUIT_CLIENT_ID": big_books.client_id,
        "INTUIT_CLIENT_SECRET": big_books.client_secret,
        "INTUIT_BASE_URL": big_books.base_url,
        "LEDGERGUARD_MAX_REQUESTS_PER_MINUTE": "100000",
        "LEDGERGUARD_MAX_REQUESTS_PER_SECOND": "10000",
        "LEDGERGUARD_MAX_BATCHES_PER_MINUTE": "10000",
    }.items():
        monkeypatch.setenv(name, value)
    installation = Installation.open(load_settings(ledgerguard_home=home))
    realm = connect(installation, big_books).realm_id
    installation.control.capabilities.note(
        realm, INVOICE.name, Capability.PAGE_ROWS, str(PAGE_ROWS)
    )
    return installation


AHEAD = 8
"""Pages in flight at once."""


@pytest.mark.parametrize(
    "crash_at, kept",
    [
        ("before_bronze_commit:1", 0),
        ("after_bronze_commit:1", 1),
        ("before_bronze_commit:3", 2),
        ("after_bronze_commit:2", 2),
    ],
)
def test_a_walk_killed_at_a_commit_resumes_behind_the_last_durable_chunk(
    big: Installation, big_books: SandboxServer, crash_at: str, kept: int
) -> None:
    run_killed(["Invoice"], crash_at)
    big_books.edit("update", "Invoice")
    big_books.edit("delete", "Invoice")
    expected = len(big_books.truth("Invoice").rows)
    big_books.pop_log()
    result = sync(big, [INVOICE])
    assert failures(result) == {}
    assert differing(big, big_books, [INVOICE]) == {}
    (only,) = result.results
    if kept:
        assert re.fullmatch(r"resumed after \d+ rows", only.note or "")
    pages = sum(call.endpoint == "query" and call.rows > 0 for call in big_books.pop_log())
    rest = expected - kept * CHUNK_PAGES * NEW_ROWS
    # Where one second holds more rows than pages overlap, those asked for ahead are asked anew.
    assert pages <= rest // NEW_ROWS + 4 + AHEAD
    big.close()


@pytest.mark.parametrize("before", ["first-three", "refused"])
def test_a_walk_begun_without_all_custom_fields_begins_anew_with_them(
    big: Installation, big_books: SandboxServer, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Its first part would lack them for good: nobody reads rows again that do not change."""
    oldest = min(big_books.truth("Invoice").rows.values(), key=lambda row: row.created or 0)
    # Long ago, or the changes since the walk began would bring it.
    big_books.edit("custom_fields", "Invoice", id=oldest.id, at=oldest.updated + 1)
    if before == "refused":
        big_books.set(include_on_query="refused", include_on_batch="refused")
    else:
        monkeypatch.setenv("LEDGERGUARD_CUSTOM_FIELDS", before)
    run_killed(["Invoice"], "after_bronze_commit:1")
    big_books.set(include_on_query="honoured", include_on_batch="honoured")
    realm = big.control.companies.list()[0].realm_id
    big.control.capabilities.drop(realm, WHOLE_COMPANY, Capability.CUSTOM_FIELDS)
    result = sync(big, [INVOICE])
    assert failures(result) == {}
    assert differing(big, big_books, [INVOICE]) == {}
    (only,) = result.results
    assert only.note is None
    assert {each.mode for each in sync(big, [INVOICE]).results} == {Mode.CDC}
    big.close()


def test_a_walk_that_was_begun_with_all_custom_fields_goes_on_without(
    big: Installation, big_books: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_killed(["Invoice"], "after_bronze_commit:1")
    plain = big.settings.model_copy(update={"ledgerguard_custom_fields": "first-three"})
    big.close()
    with Installation.open(plain) as installation:
        (only,) = sync(installation, [INVOICE]).results
    assert re.fullmatch(r"resumed after \d+ rows", only.note or "")
    with Installation.open(load_settings()) as installation:
        (only,) = sync(installation, [INVOICE]).results
        assert only.mode is Mode.FULL, "the rest lacks what is wanted again"
        assert differing(installation, big_books, [INVOICE]) == {}


def test_a_walk_whose_grant_ends_in_the_middle_resumes_behind_its_last_chunk(
    big: Installation, big_books: SandboxServer
) -> None:
    pages = CHUNK_PAGES + AHEAD + 2
    big_books.inject("unauthorized", endpoint="query", skip=pages, next=10_000)
    (lost,) = sync(big, [INVOICE]).results
    assert lost.status == "failed"
    assert "ledgerguard connect" in str(lost.error)
    assert lost.written > 0, "what was committed stays"
    big_books.clear_faults()

    connect(big, big_books)
    result = sync(big, [INVOICE])
    assert failures(result) == {}
    (only,) = result.results
    assert re.fullmatch(r"resumed after \d+ rows", only.note or "")
    assert only.written <= INVOICES - lost.written
    assert differing(big, big_books, [INVOICE]) == {}
    big.close()


@pytest.mark.parametrize("point", ["before_bronze_commit", "after_bronze_commit"])
def test_an_incremental_sync_killed_at_its_commit_is_simply_repeated(
    connected: Installation, sandbox: SandboxServer, point: str
) -> None:
    wanted = [CUSTOMER, INVOICE]
    sync(connected, wanted)
    sandbox.edit("update", "Customer")
    sandbox.edit("delete", "Invoice")
    run_killed(["Customer", "Invoice"], point)
    assert failures(sync(connected, wanted)) == {}
    assert differing(connected, sandbox, wanted) == {}
    _, rows = connected.bronze.sql(
        "SELECT id, payload_sha256, count(*) FROM bronze.invoice GROUP BY ALL HAVING count(*) > 1"
    )
    assert rows == []
