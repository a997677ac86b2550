"""What a visitor tries first: the demo and everything at once. Each takes most of a minute."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from ledgerguard_pipeline.cli.local.ports import free_port
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, finish, start

DIRECT = build_opener(ProxyHandler({}))


@pytest.mark.slow
def test_the_demo_loads_changes_and_compares_twice_over() -> None:
    Path(".env").write_text(
        "LEDGERGUARD_CONTROL_URL=sqlite:///precious.db\nINTUIT_ENV=production\n"
    )
    first = finish(start("demo", "--invoices", "50", "--json"), 110)
    second = finish(start("demo", "--invoices", "50"), 110)

    assert first.code == 0, first.err
    story = json.loads(first.out)
    assert story["ok"] is True
    assert story["objects"] == story["identical"] > 50
    assert story["company"]["health"] == "healthy"
    assert 0 < story["incremental"]["api_calls"] <= 3
    assert second.code == 0, second.err
    assert "byte for byte" in second.out
    assert "make up" in second.out
    assert not Path("precious.db").exists()
    assert sorted(path.name for path in Path.cwd().iterdir()) == [".demo", ".env"]


def test_the_demo_never_empties_a_folder_that_is_not_its_own(ledgerguard: Ledgerguard) -> None:
    Path("books").mkdir()
    Path("books/keep.txt").write_text("precious")

    outcome = ledgerguard("demo", "--home", "books")

    assert outcome.code == 2
    assert "left alone" in outcome.err
    assert Path("books/keep.txt").read_text() == "precious"


@pytest.mark.slow
def test_up_starts_everything_connects_the_sandbox_and_stops_in_order() -> None:
    web, dagster, sandbox = free_port(), free_port(), free_port()
    process = start(
        "up",
        *("--web-port", str(web), "--dagster-port", str(dagster), "--sandbox-port", str(sandbox)),
        *("--invoices", "20"),
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "In any folder" in line:
            break
    else:
        pytest.fail(finish(process).err)
    with DIRECT.open(f"http://127.0.0.1:{dagster}/server_info", timeout=30) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    outcome = finish(process, 60)

    assert f"http://localhost:{dagster}" in said
    assert outcome.code == 0, outcome.err
    assert "Connected the sandbox company." in outcome.err
    environment = re.search(r"set -a; \. (\S+);", said)
    assert environment is not None
    assert Path(environment[1]).stat().st_mode & 0o077 == 0
    for port in (web, dagster, sandbox):
        with pytest.raises(OSError, match="refused"):
            DIRECT.open(f"http://127.0.0.1:{port}/", timeout=5)


def test_up_checks_its_ports_before_anything_starts(ledgerguard: Ledgerguard) -> None:
    port = str(free_port())

    outcome = ledgerguard("up", "--web-port", port, "--dagster-port", port)

    assert outcome.code == 2
    assert "its own port" in outcome.err
    assert list(Path.cwd().iterdir()) == []
