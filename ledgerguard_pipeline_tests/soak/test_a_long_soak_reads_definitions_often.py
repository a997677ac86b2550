"""In a long soak Dagster's daemon, and it alone, reads definitions so often that it comes to rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster._daemon import controller

from ledgerguard_pipeline_tests.soak import startup

_ASK = "from dagster._daemon import controller; print(controller.RELOAD_WORKSPACE_INTERVAL)"


@pytest.mark.parametrize(
    "program, seconds",
    [("dagster-daemon", startup.RELOAD_SECONDS), ("dagster", controller.RELOAD_WORKSPACE_INTERVAL)],
)
def test_the_daemon_alone_reads_more_often(tmp_path: Path, program: str, seconds: float) -> None:
    script = tmp_path / program
    script.write_text(_ASK, encoding="ascii")
    startup.add(tmp_path, startup.PLAIN_SLEEPS)
    startup.add(tmp_path, startup.READ_OFTEN)
    found = subprocess.run(
        [sys.executable, str(script), "run"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(found.stdout) == seconds
    assert found.stderr == ""
