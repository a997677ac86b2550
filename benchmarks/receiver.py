"""The receiver under load: a real ``ledgerguard web``, a steady stream of signed deliveries."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.environments import ROOT
from benchmarks.goals import Finding, percentile
from benchmarks.process import BenchFailed, clean_environment, run
from ledgerguard_pipeline.cli.local.ports import free_port, wait_until_answering
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment, parse_realm

REALM = parse_realm("9341453474484455")
TOKEN = "made-up-verifier-token"  # noqa: S105  # signs made-up deliveries
_PATH = "/api/v1/webhooks/qbo"
_CLIENT = Path(__file__).parent / "clients" / "deliver.py"
_SAMPLE_SECONDS = 0.25


def receiver(folder: Path, *, rate: float, seconds: float) -> Finding:
    """Deliveries at ``rate`` for so long; every answered one must be stored."""
    sent = round(rate * seconds)
    finding = Finding(
        "receiver",
        f"Receiver: {rate:,.0f} deliveries a second for {seconds:,.0f} s",
        "One `ledgerguard web` on SQLite, each delivery one event, signed, over 64 connections "
        "from one address. Times run from the moment a delivery was due.",
    )
    settings = settings_of(folder / "home")
    with ControlPlane.open(settings) as plane:
        plane.companies.put(a_company())
        port = free_port()
        with _web(folder, port) as process:
            memory = _Memory(process.pid)
            with memory:
                order = {
                    "port": port, "path": _PATH, "token": TOKEN, "realm": REALM,
                    "rate": rate, "seconds": seconds,
                }  # fmt: skip
                environment = {**clean_environment(), "PYTHONPATH": str(ROOT)}
                done = run(
                    [sys.executable, str(_CLIENT)],
                    environment=environment,
                    folder=folder,
                    order=order,
                )
        stored = sum(plane.inbox.backlog().by_status.values())
    said = json.loads(done.output)
    times = [each * 1000 for each in said["times"]]
    finding.at_most("answer, p99", percentile(times, 0.99), 250, "ms")
    finding.note("answer, median", f"{median(times):.1f} ms")
    finding.note("answer, slowest", f"{max(times):.0f} ms")
    finding.exactly("answered with 200", said["statuses"].get("200", 0), sent)
    finding.exactly("events stored", stored, sent)
    finding.at_most("memory gained after the first fifth", memory.growth, 10, "MB")
    finding.note("memory at the end", f"{memory.seen[-1]:.0f} MB")
    return finding


def settings_of(home: Path, **more: object) -> Settings:
    """Settings of a measured home, whatever this process's variables say."""
    return load_settings(
        _env_file=None,
        **{
            "ledgerguard_home": home, "intuit_env": "sandbox", "ledgerguard_control_url": None,
            "ledgerguard_bronze_url": None, "ledgerguard_encryption_keys": None, **more,
        },
    )  # fmt: skip


@contextmanager
def _web(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "INTUIT_CLIENT_ID": "made-up",
        "INTUIT_CLIENT_SECRET": "made-up",
        "INTUIT_WEBHOOK_VERIFIER_TOKEN": TOKEN,
        "LEDGERGUARD_HOME": str(folder / "home"),
    }
    command = [
        *(sys.executable, "-P", "-m", "ledgerguard_pipeline.cli", "web"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    def check() -> None:
        if process.poll() is not None:
            raise BenchFailed(f"ledgerguard web ended: {(folder / 'web.log').read_text()[-1000:]}")

    try:
        wait_until_answering(
            f"http://127.0.0.1:{port}/healthz", "web", seconds=60, still_running=check
        )
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


class _Memory:
    """The resident set of a process, noted all the while, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen = [self._now()]

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.seen.append(self._now())

    @property
    def growth(self) -> float:
        """How much larger the last fifth was than the second."""
        fifth = max(1, len(self.seen) // 5)
        return median(self.seen[-fifth:]) - median(self.seen[fifth : 2 * fifth])

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.seen.append(self._now())

    def _now(self) -> float:
        for line in self._status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchFailed("The receiver has no memory: it ended.")


def a_company() -> Company:
    return Company(
        realm_id=REALM,
        environment=Environment.SANDBOX,
        name="Craig's Design",
        status=ConnectionStatus.CONNECTED,
        connected_at=datetime.now(UTC),
    )
