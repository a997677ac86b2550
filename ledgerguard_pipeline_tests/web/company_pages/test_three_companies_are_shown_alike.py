"""One revoked, one throttled, one healthy: everybody who is asked at once says the same of each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg
import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from ledgerguard_pipeline.cli.commands.status import status
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.defs.monitoring.health_checks import (
    build_connection_asset,
    build_health_checks,
    known_statuses,
)
from ledgerguard_pipeline.defs.monitoring.health_metadata import BUDGET, HEALTH
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.rules import ReasonKind
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.ops.metrics import METRICS_PATH
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import by_company
from ledgerguard_pipeline_tests.ingestion.company_books import sync
from ledgerguard_pipeline_tests.web.browser import ask

REVOKED, THROTTLED, HEALTHY = (RealmId(f"934145347448440{number}") for number in range(3))
EXPECTED = {REVOKED: "unhealthy", THROTTLED: "degraded", HEALTHY: "healthy"}


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(build_company(realm, invoices=5) for realm in EXPECTED) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Customer,TaxCode")
    return load_settings(ledgerguard_home=settings.ledgerguard_home)


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    with Installation.open(settings, clock=HastyClock()) as opened:
        yield opened


@pytest.fixture
def services(installation: Installation, sandbox: SandboxServer) -> dict[RealmId, IngestionService]:
    """The services of all three; what happened to their companies happened just now."""
    for realm in EXPECTED:
        connect(installation, sandbox, realm)
    opened = {realm: installation.service(realm) for realm in EXPECTED}
    types = installation.settings.kept_entities
    for realm in EXPECTED:
        assert sync(installation, types, realm_id=realm).ok
    sandbox.disconnect(REVOKED)
    sandbox.inject("throttle_json", realm=THROTTLED, next=1_000, retry_after=300)
    assert not sync(installation, types, realm_id=REVOKED).ok
    assert not sync(installation, types, realm_id=THROTTLED).ok
    assert sync(installation, types, realm_id=HEALTHY).ok
    return opened


def test_every_surface_says_the_same_of_each(
    installation: Installation,
    services: dict[RealmId, IngestionService],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = installation.settings
    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        status(as_json=True)
    assert ended.value.exit_code == 1, "one of them is unhealthy"
    reported = json.loads(capsys.readouterr().out)["companies"]
    assert {each["realm_id"]: each["health"] for each in reported} == EXPECTED

    reasons = {each["realm_id"]: " ".join(each["reasons"]) for each in reported}
    assert "ledgerguard connect" in reasons[REVOKED]
    assert "429" in reasons[THROTTLED]
    assert reasons[HEALTHY] == ""

    served = {realm: service.get_ingestion_status() for realm, service in services.items()}
    assert {realm: each["health"] for realm, each in served.items()} == EXPECTED

    app = create_app(installation)
    ready = ask(app, "/readyz")
    assert ready.status_code == 200, "a company that is not well takes no server away"
    assert {state: n for state, n in ready.json()["companies"].items() if n} == {
        "healthy": 1, "degraded": 1, "unhealthy": 1,
    }  # fmt: skip
    assert not any(realm in ready.text for realm in EXPECTED)

    for realm, state in EXPECTED.items():
        page = ask(app, f"/?state={state}").text
        assert [each for each in EXPECTED if f'id="c{each}"' in page] == [realm]

    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(ask(app, METRICS_PATH).text)
        for sample in family.samples
    }
    for realm, state in EXPECTED.items():
        for each in ("healthy", "degraded", "unhealthy"):
            key = ("ledgerguard_company_health", ("realm", realm), ("state", each))
            assert samples[key] == (each == state)
    cooling = {
        realm: samples["ledgerguard_company_cooling_seconds", ("realm", realm)]
        for realm in EXPECTED
    }
    assert cooling[THROTTLED] > 0
    assert cooling[HEALTHY] == cooling[REVOKED] == 0

    checks = build_health_checks(known_statuses)
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(
            assets=[build_connection_asset()],
            asset_checks=[checks],
            jobs=[dg.define_asset_job("health", selection=dg.AssetSelection.checks(checks))],
        ).resolve_job_def("health")
        evaluations = {
            each.check_name: each
            for each in job.execute_in_process(instance=instance).get_asset_check_evaluations()
        }
    health = evaluations[HEALTH]
    assert (health.passed, health.severity) == (False, dg.AssetCheckSeverity.ERROR)
    shown = by_company(health.metadata, "table")
    for realm, state in EXPECTED.items():
        assert str(shown[realm]["health"]).startswith(state)
    assert evaluations[BUDGET].passed

    kinds = {
        each.company.realm_id: {reason.kind for reason in each.health.reasons}
        for each in read_statuses(installation.control, settings)
    }
    assert kinds == {
        REVOKED: {ReasonKind.NEEDS_REAUTH},
        THROTTLED: {ReasonKind.THROTTLED, ReasonKind.SYNC_FAILED},
        HEALTHY: set(),
    }


def test_each_recovers_by_itself_or_by_a_new_consent(
    installation: Installation,
    services: dict[RealmId, IngestionService],
    sandbox: SandboxServer,
) -> None:
    del services
    sandbox.clear_faults()
    installation.clock.sleep(901)
    connect(installation, sandbox, REVOKED)
    for realm in EXPECTED:
        assert sync(installation, installation.settings.kept_entities, realm_id=realm).ok
    found = read_statuses(installation.control, installation.settings)
    assert {each.health.state for each in found} == {"healthy"}
    assert {each.company.status for each in found} == {ConnectionStatus.CONNECTED}
    assert installation.control.refusals.read() == {}
