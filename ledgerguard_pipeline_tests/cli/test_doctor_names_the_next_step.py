from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.checks_intuit import clock_finding
from ledgerguard_pipeline.cli.finding import Verdict
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.process import SandboxServer
from ledgerguard_pipeline.settings import Settings
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.cli.home_state import state_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def findings(out: str) -> dict[str, dict[str, str]]:
    return {each["topic"]: each for each in json.loads(out)["findings"]}


def test_all_is_well_on_a_connected_installation(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer, home: Path
) -> None:
    before = state_of(home)

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 0, outcome.out
    found = findings(outcome.out)
    for topic in ("settings", "network", "clock", "credentials", "encryption key", "disk"):
        assert found[topic]["verdict"] == "ok", found[topic]
    company = found[f"company {sandbox.realm_id}"]
    assert (company["verdict"], "never synced" in company["text"]) == ("advice", True)
    assert company["next_step"] == "See docs/operations.md#never_synced."
    assert state_of(home) == before


def test_probing_the_credentials_touches_no_grant(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    realm = connected.control.companies.list()[0].realm_id

    ledgerguard("doctor")

    assert connected.client(realm).company_info().name


def test_no_secret_is_shown(
    ledgerguard: Ledgerguard, settings: Settings, sandbox: SandboxServer
) -> None:
    shown = ledgerguard("doctor")
    as_json = ledgerguard("doctor", "--json")

    for outcome in (shown, as_json):
        assert sandbox.client_secret not in outcome.out + outcome.err
    assert json.loads(as_json.out)["settings"]["INTUIT_CLIENT_SECRET"] == "(set)"


def test_a_wrong_client_secret_is_found(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "not-the-secret")

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 2
    finding = findings(outcome.out)["credentials"]
    assert finding["verdict"] == "misconfigured"
    assert "Copy client id and secret" in finding["next_step"]
    assert not home.exists()


def test_settings_that_do_not_load_are_a_finding(
    ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_ENV", "prod")

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 2
    assert "INTUIT_ENV" in findings(outcome.out)["settings"]["text"]


def test_an_unreachable_intuit_is_told_without_guessing_about_keys(
    ledgerguard: Ledgerguard, settings: Settings, sandbox: SandboxServer
) -> None:
    sandbox.stop()

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 1
    found = findings(outcome.out)
    assert found["network"]["verdict"] == "broken"
    assert found["credentials"]["verdict"] == "advice"


def test_an_open_key_file_is_found(ledgerguard: Ledgerguard, connected: Installation) -> None:
    key = connected.settings.ledgerguard_home / "encryption.key"
    key.chmod(0o640)

    outcome = ledgerguard("doctor")

    assert outcome.code == 2
    assert f"chmod 600 {key}" in outcome.out


def test_production_needs_an_https_redirect(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_ENV", "production")

    outcome = ledgerguard("doctor", "--json")

    assert findings(outcome.out)["redirect URI"]["verdict"] == "misconfigured"


@pytest.mark.parametrize(
    "skew,verdict",
    [(0, Verdict.GOOD), (30, Verdict.GOOD), (-90, Verdict.ADVICE), (600, Verdict.BROKEN)],
)
def test_a_wrong_clock_is_weighed(skew: int, verdict: Verdict) -> None:
    finding = clock_finding(NOON, NOON + timedelta(seconds=skew))

    assert finding.verdict is verdict
    assert (finding.next_step is None) == (verdict is Verdict.GOOD)
