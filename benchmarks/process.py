"""Running one program to its end and noting what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_SECONDS = 3600.0
_OWN = ("INTUIT_", "LEDGERGUARD_", "DAGSTER_", "PYTHON", "DLT_", "RUNTIME__")


class BenchFailed(Exception):
    """A program failed or did not do all of its work, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One run of a program: its output, seconds from start to exit, peak memory and CPU time."""

    output: str
    seconds: float
    peak_mb: float
    cpu_seconds: float = 0.0

    def last_line(self) -> dict[str, object]:
        """The JSON object it wrote last."""
        document: dict[str, object] = json.loads(self.output.splitlines()[-1])
        return document


def clean_environment() -> dict[str, str]:
    """This process's variables without any that could steer a contender.

    PYTHONDONTWRITEBYTECODE goes too: with it every start compiles every module again.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OWN)}
    return {
        **kept,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        # Rivals' OAuth libraries refuse plain http, which the sandbox speaks.
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def run(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, order: object = None
) -> Finished:
    """Run a program with ``order`` as JSON on stdin; its stderr goes to ``folder/stderr.log``.

    Raises:
        BenchFailed: it ended with an exit code other than 0, or took longer than an hour.
    """
    log = folder / "stderr.log"
    with log.open("wb") as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        guard = threading.Timer(LONGEST_SECONDS, child.kill)
        guard.daemon = True
        guard.start()
        try:
            if child.stdin is None or child.stdout is None:
                raise BenchFailed("The program has no pipes.")
            with child.stdin:
                child.stdin.write(json.dumps(order).encode())
            with child.stdout:
                output = child.stdout.read().decode()
            # wait4 gives the memory of this child alone, where getrusage knows all of them.
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            guard.cancel()
        seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        words = log.read_text(errors="replace")[-1500:]
        raise BenchFailed(f"{' '.join(command[:4])} ended with {child.returncode}: {words}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Finished(output, seconds, usage.ru_maxrss / unit, cpu_seconds)
