"""Processes that make calls as fast as the shared limiter lets them, for the tests beside this.

``python -m ...callers HOME CONTROL_URL REDIS_URL CALLS PER_WINDOW WINDOW CONCURRENT PROCESSES
[kill]`` prints one line per call: when it started and when it ended, on the clock all processes share.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.permits import Budgets
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.rate_limits.raw_limits import limiter_of, starts

REALM = RealmId("9341453474484455")


def _call(settings: Settings, budgets: Budgets, wanted: int, *, dies: bool) -> None:
    draw = random.Random(os.getpid())
    with ControlPlane.open(settings) as plane:
        gate = limiter_of(plane, budgets)
        while len(starts(plane, REALM)) < wanted:
            with gate.permit(REALM):
                started = time.monotonic()
                if dies and draw.random() < 0.1:
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(draw.random() * 0.01)
                line = f"{started:.6f} {time.monotonic():.6f}\n"
                os.write(sys.stdout.fileno(), line.encode())


def main(arguments: list[str]) -> None:
    home, url, redis_url, calls, per_window, window, concurrent, processes, *rest = arguments
    settings = load_settings(
        ledgerguard_home=home,
        ledgerguard_control_url=SecretStr(url) if url else None,
        ledgerguard_redis_url=SecretStr(redis_url) if redis_url else None,
    )
    budgets = Budgets(
        per_minute=int(per_window),
        per_second=100_000,
        batches_per_minute=1,
        concurrent=int(concurrent),
        minute_seconds=float(window),
        second_seconds=0.001,
    )
    # Loads what the children need; nothing is open when they are forked.
    with ControlPlane.open(settings) as plane:
        plane.limiter.cool_down(REALM, 0)
    alive: set[int] = set()
    for _ in range(int(processes)):
        alive.add(_fork(settings, budgets, int(calls), dies=bool(rest)))
    while alive:
        ended, status = os.wait()
        alive.discard(ended)
        if os.WIFSIGNALED(status):
            alive.add(_fork(settings, budgets, int(calls), dies=bool(rest)))


def _fork(settings: Settings, budgets: Budgets, wanted: int, *, dies: bool) -> int:
    child = os.fork()
    if child == 0:
        failed = True
        try:
            _call(settings, budgets, wanted, dies=dies)
            failed = False
        finally:
            os._exit(failed)
    return child


if __name__ == "__main__":
    main(sys.argv[1:])
