"""A type that QuickBooks refuses although Bronze holds objects of it is no silent outcome."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.health.reasons import HealthState, ReasonKind
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    sync,
)

TYPES = entity_types(["Class", "Customer", "TaxRate"])


def refuse_as_the_edition(sandbox: SandboxServer) -> None:
    sandbox.set(not_offered=["Class", "TaxRate"])


def refuse_as_a_right(sandbox: SandboxServer) -> None:
    """5020 in every answer about the two types, inside of a batch and beside."""
    for endpoint in ("query", "cdc", "batch_item", "batch"):
        for name in ("Class", "TaxRate"):
            sandbox.inject("feature_missing", probability=1.0, endpoint=endpoint, entity=name)


@pytest.mark.parametrize("refuse", [refuse_as_the_edition, refuse_as_a_right])
@pytest.mark.parametrize("way", ["changes", "full", "reconcile"])
def test_a_refused_type_with_rows_degrades_its_company(
    connected: Installation,
    sandbox: SandboxServer,
    refuse: Callable[[SandboxServer], None],
    way: str,
) -> None:
    assert failures(sync(connected, TYPES)) == {}
    sandbox.edit("update", "Class")
    refuse(sandbox)
    result = sync(connected, TYPES, full=way == "full", reconcile=way == "reconcile")
    assert failures(result) == {}
    notes = {each.entity: each.note or "" for each in result.results}
    assert "of which Bronze holds objects" in notes["Class"]
    company_status = connected.company_status(realm_of(sandbox))
    assert company_status is not None
    reasons = {reason.kind: reason for reason in company_status.health.reasons}
    found = reasons[ReasonKind.TYPE_WITHHELD]
    assert "QuickBooks refuses Class" in found.text
    assert found.state is HealthState.DEGRADED
    (summary,) = read_summaries(connected.control, connected.settings)
    assert found in summary.health.reasons

    again = sync(connected, TYPES)
    assert (
        "of which Bronze holds objects" in {e.entity: e.note or "" for e in again.results}["Class"]
    )
    sandbox.clear_faults()
    sandbox.set(not_offered=[])
    assert failures(sync(connected, TYPES, full=True)) == {}
    assert differing(connected, sandbox, TYPES) == {}
    company_status = connected.company_status(realm_of(sandbox))
    assert company_status is not None
    kinds = [reason.kind for reason in company_status.health.reasons]
    assert ReasonKind.TYPE_WITHHELD not in kinds


def test_a_type_that_was_never_there_is_no_reason(
    connected: Installation, sandbox: SandboxServer
) -> None:
    refuse_as_the_edition(sandbox)
    for _ in range(2):
        assert failures(sync(connected, TYPES)) == {}
    company_status = connected.company_status(realm_of(sandbox))
    assert company_status is not None
    kinds = {reason.kind for reason in company_status.health.reasons}
    assert ReasonKind.TYPE_WITHHELD not in kinds
