"""How ``ledgerguard up`` brings sandbox and receiver together."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ledgerguard_pipeline import running_up
from ledgerguard_pipeline.cli import embedded_sandbox
from ledgerguard_pipeline.cli.embedded_sandbox import Embedded
from ledgerguard_pipeline.cli.local.ports import free_port, wait_until_answering
from ledgerguard_pipeline.cli.local.sandbox import serve_command
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH

TOKEN = "made-up-verifier-token"


@pytest.fixture
def embedded(home: Path) -> Embedded:
    return Embedded(home, "app", "secret", "http://127.0.0.1:8010", 8000, TOKEN)


def test_the_receiver_knows_the_token_the_sandbox_signs_with(embedded: Embedded) -> None:
    variables = embedded.variables(load_settings())
    assert variables["INTUIT_WEBHOOK_VERIFIER_TOKEN"] == TOKEN
    embedded.home.mkdir()
    file = embedded.write_environment_file(variables)
    assert f"INTUIT_WEBHOOK_VERIFIER_TOKEN={TOKEN}\n" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_token_is_in_no_command_line_and_in_no_repr(embedded: Embedded) -> None:
    books = embedded.home / "sandbox.books"
    command = serve_command(8010, invoices=5, webhook_url=embedded.webhook_url, books=books)
    hook = ["--webhook-url", f"http://localhost:8000{WEBHOOK_PATH}"]
    assert command[-4:] == [*hook, "--books", str(books)]
    assert not any(TOKEN in word for word in command)
    assert TOKEN not in repr(embedded)


def test_choices_are_carried_over_and_what_is_real_is_not(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = embedded.variables(load_settings())
    for name, value in {
        "LEDGERGUARD_ATTACHMENTS": "files", "LEDGERGUARD_CUSTOM_FIELDS": "first-three",
        "LEDGERGUARD_DAGSTER_OWNERS": "team:books", "LEDGERGUARD_PUBLIC_URL": "https://b.example",
        "LEDGERGUARD_DAGSTER_URL": "https://d.example",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
        assert plain.get(name) != value
        assert embedded.variables(load_settings())[name] == value
    monkeypatch.setenv("LEDGERGUARD_ATTACHMENTS_URL", "s3://real/books")
    assert "LEDGERGUARD_ATTACHMENTS_URL" not in embedded.variables(load_settings())


def test_of_every_setting_somebody_decided_whether_the_sandbox_takes_it(embedded: Embedded) -> None:
    given = {name.lower() for name in embedded.variables(load_settings())}
    decided = given | {*embedded_sandbox.KEPT, *running_up.NOT_KEPT}
    assert set(Settings.model_fields) <= decided


def test_without_a_token_nothing_is_set(home: Path) -> None:
    alone = Embedded(home, "app", "secret", "http://127.0.0.1:8010", 8000)
    assert "INTUIT_WEBHOOK_VERIFIER_TOKEN" not in alone.variables(load_settings())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_edit_by_the_command_is_delivered_and_queued(home: Path, tmp_path: Path) -> None:
    """Until it is a row is shown by the measurements of ``make bench-events``, which run as tests."""
    web, dagster, sandbox = (free_port() for _ in range(3))
    base = [sys.executable, "-m", "ledgerguard_pipeline.cli"]
    command = [
        *(*base, "up", "--sandbox", "--invoices", "20", "--web-port", str(web)),
        *("--dagster-port", str(dagster), "--sandbox-port", str(sandbox)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def check() -> None:
        assert process.poll() is None, log.read_text()

    try:
        url = f"http://127.0.0.1:{dagster}/server_info"
        wait_until_answering(url, "dagster", seconds=200, still_running=check)
        handle = SandboxHandle(f"http://127.0.0.1:{sandbox}", "", "", [])
        with ControlPlane.open(load_settings(ledgerguard_home=home)) as control:
            wait_until_answering(
                f"http://localhost:{web}/healthz", "web", seconds=60, still_running=check
            )
            pause = threading.Event()
            while not control.companies.list():
                check()
                pause.wait(0.1)
            edit = [*base, "sandbox", "edit", "create", "Invoice", "--port", str(sandbox)]
            said = subprocess.run(edit, env=environment, capture_output=True, text=True, check=True)
            assert handle.settle_webhooks().acknowledged == 1
            (queued,) = control.inbox.list()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert said.stdout.splitlines()[0] == f"Create Invoice {queued.event.object_id}"
