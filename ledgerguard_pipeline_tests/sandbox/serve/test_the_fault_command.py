"""``sandbox fault``: breaking it oneself, with a way back."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from ledgerguard_pipeline.sandbox.__main__ import app
from ledgerguard_pipeline.sandbox.api.faults import FaultKind
from ledgerguard_pipeline.sandbox.serve.fault_command import SCENES
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import SandboxFactory


@pytest.fixture(scope="module")
def shared(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=5)


@pytest.fixture
def sandbox(shared: SandboxServer) -> Iterator[SandboxServer]:
    """Well behaved again after each test."""
    yield shared
    fault(shared, "off")


def fault(sandbox: SandboxServer, *arguments: str) -> Result:
    port = str(urlsplit(sandbox.base_url).port)
    return CliRunner().invoke(app, ["fault", *arguments, "--port", port])


def rules(sandbox: SandboxServer) -> list[str]:
    return [rule.kind for rule in sandbox.world.faults._rules]


@pytest.mark.parametrize(
    "scene,kind",
    [
        ("outage", FaultKind.ERROR_503_HTML),
        ("throttle", FaultKind.THROTTLE_JSON),
        ("cut-json", FaultKind.CUT_JSON),
        ("reset", FaultKind.RESET),
    ],
)
def test_calls_can_be_spoilt(sandbox: SandboxServer, scene: str, kind: FaultKind) -> None:
    done = fault(sandbox, scene)
    assert done.exit_code == 0, done.output
    assert rules(sandbox) == [kind]
    assert fault(sandbox, "off").exit_code == 0
    assert rules(sandbox) == []


@pytest.mark.parametrize("scene", ["poison", "empty", "edits"])
def test_an_entity_the_sandbox_lacks_is_refused(sandbox: SandboxServer, scene: str) -> None:
    refused = fault(sandbox, scene, "Invoise")
    assert refused.exit_code == 2
    assert refused.output == "The sandbox has no entity Invoise (did you mean Invoice?).\n"


def test_a_throttled_call_is_one_that_a_sync_waits_out(sandbox: SandboxServer) -> None:
    """Five would use up all tries of a sync, after four minutes of waiting."""
    said = fault(sandbox, "throttle").output
    assert [rule.next for rule in sandbox.world.faults._rules] == [1]
    assert "pause for a minute" in said


@pytest.mark.parametrize("scene", sorted(SCENES.keys() - {"off"}))
def test_each_fault_says_how_it_is_met(sandbox: SandboxServer, scene: str) -> None:
    assert "`ledgerguard sync" in fault(sandbox, scene).output


def test_without_a_name_the_faults_are_listed(sandbox: SandboxServer) -> None:
    listed = fault(sandbox)
    assert listed.exit_code == 0
    assert all(f"  {scene}" in listed.output for scene in SCENES)
    assert FaultKind.BAD_GZIP.value in listed.output
    assert rules(sandbox) == []


def test_a_slip_of_the_pen_is_met_by_the_nearest_fault(sandbox: SandboxServer) -> None:
    refused = fault(sandbox, "outrage")
    assert refused.exit_code == 2
    assert "There is no fault outrage. Did you mean outage?" in refused.output


def test_books_can_be_spoilt(sandbox: SandboxServer) -> None:
    assert "Invoice" in fault(sandbox, "poison").output
    assert fault(sandbox, "empty", "Bill").exit_code == 0
    assert fault(sandbox, "edits").exit_code == 0
    names = ("poison", "silence", "hazard")
    assert all(sandbox.switches()[name] for name in names)
    fault(sandbox, "off")
    assert not any(sandbox.switches()[name] for name in names)


def test_a_grant_can_be_revoked(sandbox: SandboxServer) -> None:
    sandbox.issue_tokens()
    assert sandbox.world.grants.connected(sandbox.realm_id)
    assert fault(sandbox, "revoke").exit_code == 0
    assert not sandbox.world.grants.connected(sandbox.realm_id)


@pytest.mark.parametrize("arguments", [("explode",), ("poison", "Invoice", "no-such-id")])
def test_what_cannot_be_done_is_one_sentence(
    sandbox: SandboxServer, arguments: tuple[str, ...]
) -> None:
    done = fault(sandbox, *arguments)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


def test_help_names_every_scene() -> None:
    shown = " ".join(CliRunner().invoke(app, ["fault", "-h"]).output.split())
    assert all(scene in shown for scene in SCENES)
