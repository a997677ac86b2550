"""How much a company hands out at once changes from day to day; every sync ends in the truth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, sync

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
FEW = [CUSTOMER, INVOICE]


@pytest.fixture
def company(settings: Settings, sandbox: SandboxServer) -> Iterator[Installation]:
    sandbox.set(limits=False)
    with Installation.open(settings, clock=HastyClock()) as opened:
        connect(opened, sandbox)
        yield opened


@pytest.mark.parametrize("answer", ["failure", "invalid"])
def test_limits_may_shrink_and_grow_between_syncs(
    company: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(page_limit_answer=answer)
    for limit in (6, 500):
        sandbox.set(page_limit={"*": limit})
        sandbox.edit("burst", "Customer", n=9)
        for full in (False, True):
            result = sync(company, [CUSTOMER], full=full)
            assert failures(result) == {}, f"{limit} rows, full {full}"
            assert differing(company, sandbox, [CUSTOMER]) == {}


def test_a_statement_that_fails_inside_a_batch_is_asked_alone(
    company: Installation, sandbox: SandboxServer
) -> None:
    assert sync(company, FEW).ok
    sandbox.inject("application_error", endpoint="batch_item", entity="Customer", next=1_000)
    for entity in FEW:
        sandbox.edit("update", entity.name)
    for full, reconcile in ((False, False), (False, True), (True, False)):
        assert failures(sync(company, FEW, full=full, reconcile=reconcile)) == {}
        assert differing(company, sandbox, FEW) == {}
