"""What a commit costs beside its rows is most of a small company's first load: one commit is enough."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.bronze.loads import LoadOutcome
from ledgerguard_pipeline.ingestion.company_sync import sync as company_sync
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, sync


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The entity types of each commit that a sync asked for."""
    seen: list[set[str]] = []
    commit = BronzeStore.commit

    def watched(self: BronzeStore, loads: Sequence[Load]) -> list[LoadOutcome]:
        seen.append({load.entity.name for load in loads if load.records})
        return commit(self, loads)

    monkeypatch.setattr(BronzeStore, "commit", watched)
    return seen


def test_types_of_several_answers_are_committed_together(
    connected: Installation, sandbox: SandboxServer, commits: list[set[str]]
) -> None:
    assert failures(sync(connected)) == {}
    first, *others = [each for each in commits if each]
    # Of two batches of queries, and of change data capture, which alone shows the last.
    assert first >= {"Invoice", "Customer", "Payment", "InventoryAdjustment"}
    assert others == []
    assert differing(connected, sandbox) == {}


def test_a_large_company_is_committed_as_it_is_read(
    connected: Installation,
    sandbox: SandboxServer,
    commits: list[set[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(company_sync, "SMALL_ROWS", 1)
    assert failures(sync(connected)) == {}
    assert len([each for each in commits if each]) > 1
    assert differing(connected, sandbox) == {}
