"""Where time is simulated the product, Dagster and SQLite read the same clock, which follows a file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.soak import leaps
from ledgerguard_pipeline_tests.soak.guarantees import CLOCK_VARIABLE, build
from ledgerguard_pipeline_tests.soak.journal import Journal
from ledgerguard_pipeline_tests.soak.leaps import Leaps, variables

HOURS = 5 * 3_600.0
_ASK = """
import sqlite3, sys, time
from dagster._time import get_current_datetime, get_current_timestamp
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
for _ in range(2):
    time.sleep(0.1)
    (at,) = sqlite3.connect(":memory:").execute("SELECT unixepoch()").fetchone()
    print(time.time(), get_current_timestamp(), get_current_datetime().timestamp(),
          SYSTEM_CLOCK.now().timestamp(), at + 1, flush=True)
    sys.stdin.readline()
    time.sleep(3)  # the library reads the file every other second
"""


@pytest.mark.faketime
def test_all_of_a_process_follows_the_file_while_it_runs(tmp_path: Path) -> None:
    made = build(tmp_path / "build")
    path = tmp_path / "leapt"
    path.write_text(f"+{HOURS}\n", encoding="ascii")
    (tmp_path / "clock").write_text("0", encoding="ascii")
    process = subprocess.Popen(
        [sys.executable, "-c", _ASK],
        env={
            **os.environ, "PYTHONPATH": str(made), CLOCK_VARIABLE: str(tmp_path / "clock"),
            **variables(path, made),
        },
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    begin = time.time()
    for hours in (HOURS, 2 * HOURS):
        if hours > HOURS:
            draft = tmp_path / "draft"
            draft.write_text(f"+{hours}\n", encoding="ascii")
            draft.replace(path)
            process.stdin.write("\n")
            process.stdin.flush()
        seen = [float(each) for each in process.stdout.readline().split()]
        assert len(seen) == 5
        leapt = {round((each - begin) / HOURS) for each in seen}
        assert leapt == {round(hours / HOURS)}
    process.communicate("\n")
    assert process.returncode == 0


def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaps, "LIBRARIES", tmp_path)
    with pytest.raises(LookupError, match="apt-get install libfaketime"):
        variables(tmp_path / "leapt", tmp_path)


class Running:
    """Services of which one run is under way, or is to start, or none."""

    def __init__(self, runs: int, unfinished: int) -> None:
        self._runs = list(range(runs))
        self._unfinished = unfinished

    def runs(self) -> list[int]:
        return self._runs

    def unfinished(self) -> int:
        return self._unfinished


@pytest.mark.parametrize("runs, unfinished", [(0, 0), (1, 0), (0, 1)])
def test_the_clock_leaps_over_what_is_left_and_begins_in_the_evening(
    tmp_path: Path, runs: int, unfinished: int
) -> None:
    loaded = threading.Event()
    loaded.set()
    with (
        SandboxServer(invoices=1) as sandbox,
        Leaps(tmp_path / "leapt", sandbox, 7_200, 3, every=1, patience=0.5) as made,
    ):
        evening = datetime.fromtimestamp(sandbox.world.now(), UTC)
        assert evening.hour == 21
        made.begin(Running(runs, unfinished), Journal(loud=False, now=sandbox.world.now), loaded)
        made.finish()
        assert made.made == 3
        assert made.into_runs == 3 * (runs + unfinished)
        later = datetime.fromtimestamp(sandbox.world.now(), UTC)
        assert (later - evening).total_seconds() >= 7_197
        assert float((tmp_path / "leapt").read_text()) == round(made.clock.ahead, 1)
