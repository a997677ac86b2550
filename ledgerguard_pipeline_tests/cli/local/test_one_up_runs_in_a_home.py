"""A second ``up`` or daemon learns where the first one runs; other terminals show what runs."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.embedded_sandbox import Embedded
from ledgerguard_pipeline.cli.home_lock import settings_here, taken
from ledgerguard_pipeline.cli.local.child_processes import Children, StopSignal
from ledgerguard_pipeline.cli.local.ports import free_port
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.instance.daemon_lock import daemon_of, hold_daemon_lock, is_daemon
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.library import LedgerGuard
from ledgerguard_pipeline.running_up import NOT_KEPT, running_in, sandbox_home
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.defs.conftest import company

PORTS = {"web": 8123, "dagster": 3123}


@contextmanager
def another_daemon(folder: Path) -> Iterator[int]:
    """Another process that works as the daemon of this Dagster home."""
    script = (
        "import sys; sys.argv = ['dagster-daemon', 'run']\n"
        "from pathlib import Path\n"
        "from ledgerguard_pipeline.defs.instance.daemon_lock import hold_daemon_lock\n"
        f"hold_daemon_lock(Path({str(folder)!r})); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process.pid
    finally:
        process.communicate()


def test_the_sandbox_stays_out_of_the_home_that_real_companies_will_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the app's keys are filled into a copy of .env.example, and afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEDGERGUARD_HOME", raising=False)
    kept = tmp_path / ".ledgerguard" / "sandbox"
    assert sandbox_home(load_settings()) == kept
    example = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    assert sandbox_home(load_settings()) == kept
    (tmp_path / ".env").write_text(f"{example}INTUIT_CLIENT_ID=app\n", encoding="utf-8")
    assert sandbox_home(load_settings()) == kept
    monkeypatch.setenv("LEDGERGUARD_HOME", str(tmp_path / "books"))
    assert sandbox_home(load_settings(intuit_client_id="")) == tmp_path / "books"


def test_a_second_up_is_refused_with_where_the_first_one_runs(
    ledgerguard: Ledgerguard, home: Path
) -> None:
    home.mkdir()
    with taken(home, PORTS, None):
        outcome = ledgerguard("up", "--sandbox")
    assert outcome.code == 2
    for part in (str(home), f"process {os.getpid()}", "localhost:3123", "localhost:8123"):
        assert part in outcome.err
    assert not (home / "control.db").exists(), "nothing was done"


def test_what_a_killed_up_started_is_given_time_to_end(
    ledgerguard: Ledgerguard, home: Path
) -> None:
    home.mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.communicate()
    with taken(home, PORTS, None):
        about = {"pid": ended.pid, "ports": PORTS, "environment_file": None}
        (home / "up.lock").write_text(json.dumps(about))
        outcome = ledgerguard("up", "--sandbox")
    assert outcome.code == 2
    assert f"was killed (process {ended.pid})" in outcome.err
    assert "Start it again" in outcome.err


def test_an_up_where_a_daemon_runs_is_refused(ledgerguard: Ledgerguard, home: Path) -> None:
    folder = home / "dagster"
    folder.mkdir(parents=True)
    with another_daemon(folder) as pid:
        assert daemon_of(folder) == pid
        outcome = ledgerguard("up", "--sandbox")
        assert outcome.code == 2
        assert f"process {pid}" in outcome.err
    assert daemon_of(folder) is None, "a daemon that ended keeps nobody out"


def test_a_second_daemon_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another_daemon(tmp_path) as pid:
        hold_daemon_lock(tmp_path)  # a web server or a run: daemons alone exclude each other
        monkeypatch.setattr(sys, "argv", ["/usr/bin/dagster-daemon", "run"])
        with pytest.raises(ConfigurationError, match=f"process {pid}"):
            hold_daemon_lock(tmp_path)


@pytest.mark.parametrize(
    "command,expected",
    [
        ("/venv/bin/dagster-daemon run", True),
        ("/venv/lib/dagster/_daemon/__main__.py run -w workspace.yaml", True),
        ("/venv/bin/dagster-daemon liveness-check", False),
        ("/venv/bin/dagster-webserver -p 3000", False),
        ("/venv/bin/dagster dev", False),
        ("/venv/bin/pytest run", False),
        ("", False),
    ],
)
def test_a_daemon_is_known_by_its_command_line(command: str, expected: bool) -> None:
    assert is_daemon(command.split()) is expected


def test_the_marker_lasts_as_long_as_any_process_that_up_started(home: Path) -> None:
    home.mkdir()
    with StopSignal() as stop, Children(home / "logs", stop) as children:
        with taken(home, PORTS, None) as lock:
            children._inherited = (lock,)
            children.start("sleeper", [sys.executable, "-c", "input()"])
            children.start("other", [sys.executable, "-c", "import time; time.sleep(60)"])
        running = running_in(home)
        assert running is not None, "as if up itself had been killed"
        assert (running.pid, running.ports) == (os.getpid(), PORTS)
    assert running_in(home) is None


def test_a_marker_that_was_left_behind_keeps_nobody_out(home: Path) -> None:
    home.mkdir()
    with taken(home, PORTS, None):
        pass
    assert (home / "up.lock").exists()
    assert running_in(home) is None
    with taken(home, PORTS, None) as lock:
        assert fcntl.fcntl(lock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_a_second_terminal_shows_the_company_that_runs_in_the_first(
    ledgerguard: Ledgerguard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``make up`` keeps its sandbox in a folder of the home that everybody takes by default."""
    monkeypatch.delenv("LEDGERGUARD_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("INTUIT_CLIENT_ID", "INTUIT_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    inner = load_settings().ledgerguard_home.absolute() / "sandbox"
    inner.mkdir(parents=True)
    embedded = Embedded(inner, "app", "secret", "http://127.0.0.1:8010", 8000, "token")
    file = embedded.write_environment_file(embedded.variables(load_settings()))
    with ControlPlane.open(load_settings(ledgerguard_home=inner)) as control:
        control.companies.put(company())
    try:
        nothing = ledgerguard("status").out
        assert f"No company is connected yet in {inner.parent}" in nothing
        with taken(inner, PORTS, file):
            with LedgerGuard.open() as books:
                assert [each.name for each in books.companies] == [company().name]
            shown = ledgerguard("status")
            examined = json.loads(ledgerguard("doctor", "--json").out)
        assert shown.code == 1, "it has no tokens"
        assert company().name in shown.out
        assert "localhost:3123" in shown.err
        assert examined["settings"]["LEDGERGUARD_HOME"] == str(inner)
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
    assert "No company is connected" in ledgerguard("status").out
    assert shlex.quote(str(inner)) in file.read_text()


def test_made_up_books_go_nowhere_that_is_set_for_real_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``.env`` that has all but the app's keys, while ``up`` runs its sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTUIT_CLIENT_ID", raising=False)
    home = tmp_path / "books"
    home.mkdir()
    monkeypatch.setenv("LEDGERGUARD_HOME", str(home))
    embedded = Embedded(home, "app", "secret", "http://127.0.0.1:8010", 8000, "token")
    file = embedded.write_environment_file(embedded.variables(load_settings()))
    Path(".env").write_text(
        "LEDGERGUARD_CONTROL_URL=postgresql://real/control\n"
        "LEDGERGUARD_BRONZE_URL=duckdb:///real/quickbooks.duckdb\n"
        "LEDGERGUARD_ATTACHMENTS_URL=s3://real/files\n"
    )
    monkeypatch.setenv("LEDGERGUARD_REDIS_URL", "redis://localhost/9")
    before = dict(os.environ)
    try:
        with taken(home, PORTS, file):
            with LedgerGuard.open() as books:
                notebook = books.settings
            command = settings_here()
    finally:
        os.environ.clear()
        os.environ.update(before)
    for settings in (notebook, command):
        assert (settings.intuit_client_id, settings.ledgerguard_home) == ("app", home)
        assert settings.bronze_address == home / "quickbooks.duckdb"
        assert not [name for name in NOT_KEPT if getattr(settings, name) is not None]


def test_faults_and_edits_find_the_sandbox_of_up_wherever_it_listens(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTUIT_CLIENT_ID", raising=False)
    home.mkdir()
    nobody, other = free_port(), free_port()
    with taken(home, {**PORTS, "sandbox": nobody}, None):
        for verb in (["fault", "outage"], ["edit", "create", "Invoice"]):
            assert f"No sandbox answers on port {nobody}" in ledgerguard("sandbox", *verb).err
        named = ledgerguard("sandbox", "fault", "outage", f"--port={other}")
        assert f"No sandbox answers on port {other}" in named.err
