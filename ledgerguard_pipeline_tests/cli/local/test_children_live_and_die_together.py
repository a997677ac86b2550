from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.local.child_processes import (
    Child,
    ChildDied,
    Children,
    StopRequested,
    StopSignal,
    python,
)
from ledgerguard_pipeline.cli.local.ports import (
    free_port,
    require_free,
    wait_until_answering,
    wait_until_listening,
)
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline_tests.hygiene.project import ROOT

WAITS = python("-c", "import signal; signal.pause()")
STUBBORN = python(
    "-c",
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True);"
    " signal.pause()",
)
FAILS = python("-c", "import sys; print('out of paper', flush=True); sys.exit(3)")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def watched(folder: Path, started: list[Child], *commands: list[str]) -> None:
    """Start the commands and watch them as ``up`` does."""
    with StopSignal() as stop, Children(folder, stop) as children:
        for number, command in enumerate(commands):
            started.append(children.start(f"child {number}", command))
        children.watch()


def test_if_one_dies_the_others_are_stopped_and_its_last_words_shown(tmp_path: Path) -> None:
    started: list[Child] = []
    with pytest.raises(ChildDied) as reported:
        watched(tmp_path, started, WAITS, FAILS)

    assert "The child 1 stopped by itself (exit code 3)" in str(reported.value)
    assert "out of paper" in str(reported.value)
    assert not alive(started[0].process.pid)


def test_a_signal_ends_the_watch_and_all_children(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    started: list[Child] = []
    signals_us = python(
        "-c", f"import os, signal; os.kill({os.getpid()}, signal.SIGTERM); signal.pause()"
    )
    with pytest.raises(StopRequested):
        watched(tmp_path, started, WAITS, signals_us)

    assert not any(alive(child.process.pid) for child in started)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_child_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path) -> None:
    with StopSignal() as stop, Children(tmp_path, stop, grace_seconds=0.2) as all_:
        child = all_.start("stubborn", STUBBORN)
        while not child.log.read_text():
            all_.check()

    assert child.process.returncode == -signal.SIGKILL


def test_children_of_a_process_that_is_killed_end_as_well(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        f"from {__name__} import STUBBORN, WAITS\n"
        "from ledgerguard_pipeline.cli.local.child_processes import Children, StopSignal\n"
        "with StopSignal() as stop, Children(Path(sys.argv[1]), stop, grace_seconds=0.2) as them:\n"
        "    for number, command in enumerate((WAITS, STUBBORN)):\n"
        "        print(them.start(f'child {number}', command).process.pid, flush=True)\n"
        "    them.watch()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    handles = [os.pidfd_open(child) for child in children]
    parent.kill()
    parent.communicate()
    for handle in handles:
        ended, _, _ = select.select([handle], [], [], 60)
        os.close(handle)
        assert ended, "it outlived the process that started it"


def test_a_secret_in_the_last_words_is_masked(tmp_path: Path) -> None:
    talks = python("-c", "print('access_token=eyJhbGciOiJkaXIi.secret-part.more')")

    with pytest.raises(ChildDied) as reported:
        watched(tmp_path, [], talks)

    assert "secret-part" not in str(reported.value)


def test_waiting_for_a_dead_server_ends_at_once(tmp_path: Path) -> None:
    def wait() -> None:
        with StopSignal() as stop, Children(tmp_path, stop) as children:
            children.start("server", FAILS)
            url = f"http://127.0.0.1:{free_port()}/"
            wait_until_answering(url, "server", seconds=60, still_running=children.check)

    with pytest.raises(ChildDied):
        wait()


def test_waiting_is_bounded() -> None:
    with pytest.raises(LedgerGuardError, match="did not answer within 0 seconds"):
        wait_until_listening(free_port(), "web", seconds=0, still_running=lambda: None)


def test_a_taken_port_is_refused_with_the_option_to_change_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(BadInputError, match=f"Port {port} \\(Dagster\\).*--dagster-port"):
            require_free({"web": free_port(), "dagster": port})


def test_all_taken_ports_are_reported_at_once_with_free_ones() -> None:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
            each.listen()
        web, sandbox = one.getsockname()[1], other.getsockname()[1]
        with pytest.raises(BadInputError) as caught:
            require_free({"web": web, "dagster": free_port(), "sandbox": sandbox})
    said = str(caught.value)
    assert f"Ports {web} (web) and {sandbox} (sandbox) are in use" in said
    offered = re.findall(r"--(web|sandbox|dagster)-port (\d+)", said)
    assert [what for what, _ in offered] == ["web", "sandbox"]
    require_free({what: int(port) for what, port in offered})


def test_make_is_offered_ports_in_its_own_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(BadInputError, match=r'make up ARGS="--web-port \d+"'):
            require_free({"web": other.getsockname()[1]})


def test_two_servers_cannot_share_a_port() -> None:
    with pytest.raises(BadInputError, match="its own port"):
        require_free({"web": 8000, "dagster": 8000})
