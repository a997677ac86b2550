from __future__ import annotations

import subprocess
import sys

import pytest

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline_tests.sandbox.caller import CALLBACK


def test_a_sandbox_process_serves_edits_and_ends_with_its_owner() -> None:
    with SandboxProcess(invoices=10, companies=2, arguments=["--no-limits"]) as sandbox:
        assert len(sandbox.realms) == 2
        assert len({each["name"] for each in sandbox.companies()}) == 2
        callback = sandbox.consent(
            f"{sandbox.base_url}/connect/oauth2?client_id={sandbox.client_id}&response_type=code"
            f"&scope=com.intuit.quickbooks.accounting&redirect_uri={CALLBACK}&state=s",
            sandbox.realms[1],
        )
        assert f"realmId={sandbox.realms[1]}" in callback
        sandbox.edit("create", "Invoice", realm_id=sandbox.realms[1])
        assert len(sandbox.truth("Invoice").rows) == 10
        assert len(sandbox.truth("Invoice", sandbox.realms[1]).rows) == 11
        child = sandbox._child
        assert child is not None
    assert child.returncode == 0


def test_switches_can_be_given_on_the_command_line() -> None:
    arguments = ["--switch", 'cdc_cap="group"', "--no-gzip"]
    with SandboxProcess(invoices=0, arguments=arguments) as sandbox:
        sandbox.set(latency_ms=0)
        assert sandbox.switches()["cdc_cap"] == "group"
        assert sandbox.switches()["gzip"] is False


@pytest.mark.parametrize("switch", ["nonsense=1", "latency_ms=fast", "cdc_cap"])
def test_a_wrong_switch_ends_with_one_sentence_and_exit_code_2(switch: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ledgerguard_pipeline.sandbox", "serve", "--switch", switch],
        capture_output=True,
        text=True,
        check=False,
        env=SandboxProcess().environment(),
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("The sandbox cannot start: ")
    assert "Traceback" not in done.stderr
