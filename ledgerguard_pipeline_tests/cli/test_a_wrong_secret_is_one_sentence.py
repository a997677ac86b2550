"""The app's secret is changed at Intuit while an access token still lives, then that token ends."""

from __future__ import annotations

import json

import pytest

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard

pytestmark = pytest.mark.usefixtures("turned_wrong")


@pytest.fixture
def turned_wrong(
    connected: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our clock the token has most of an hour left; Intuit has ended it."""
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "the-secret-of-yesterday")
    sandbox.expire_tokens()
    sandbox.pop_log()


@pytest.mark.parametrize("machine", [False, True])
def test_it_is_a_configuration_error_and_not_one_failure_per_entity(
    ledgerguard: Ledgerguard, sandbox: SandboxServer, connected: Installation, machine: bool
) -> None:
    outcome = ledgerguard("sync", *(["--json"] if machine else []))

    assert outcome.code == 2, outcome
    reported = [line for line in outcome.err.splitlines() if line.startswith("ledgerguard: ")]
    assert len(reported) == 1
    assert "INTUIT_CLIENT_SECRET" in reported[0]
    assert "the-secret-of-yesterday" not in outcome.err + outcome.out
    if machine:
        document = json.loads(outcome.out)
        assert {each["status"] for each in document["results"]} == {"failed"}
    else:
        assert outcome.out == ""
    asked = [call for call in sandbox.pop_log() if call.endpoint == "token"]
    assert len(asked) == 1, "refused once, Intuit is not asked again for every entity"
    company = connected.control.companies.require(RealmId(sandbox.realm_id))
    assert company.status is ConnectionStatus.CONNECTED
