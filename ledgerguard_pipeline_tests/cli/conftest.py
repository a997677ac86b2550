from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

import ledgerguard_pipeline
from ledgerguard_pipeline.cli.app import run

COMMAND = (sys.executable, "-P", "-m", "ledgerguard_pipeline.cli")
_SOURCE = Path(ledgerguard_pipeline.__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Ledgerguard = Callable[..., Outcome]


@pytest.fixture
def ledgerguard(capsys: pytest.CaptureFixture[str]) -> Iterator[Ledgerguard]:
    """Runs a command in this process, exactly as the entry point does."""
    handlers = list(logging.getLogger().handlers)
    level = logging.getLogger().level

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(list(arguments))
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    yield command
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def command_environment() -> dict[str, str]:
    """What a command started by a test sees: this test's variables and this source tree."""
    known = os.environ.get("PYTHONPATH")
    path = f"{_SOURCE}{os.pathsep}{known}" if known else str(_SOURCE)
    return {**os.environ, "PYTHONPATH": path}


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start ``ledgerguard`` as a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=command_environment(),
    )


def finish(process: subprocess.Popen[str], seconds: float = 90) -> Outcome:
    """Wait for it; a hanging command is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"the command did not end: {out}{err}")
    return Outcome(process.returncode, out, err)


@pytest.fixture
def callback_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port, and a redirect URI that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    monkeypatch.setenv("INTUIT_REDIRECT_URI", f"http://localhost:{port}/api/v1/auth/callback")
    return port
