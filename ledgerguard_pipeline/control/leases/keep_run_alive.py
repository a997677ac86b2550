"""Heartbeats of a run for as long as it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledgerguard_pipeline.control.leases.heartbeat import BEATS_PER_LEASE, beating
from ledgerguard_pipeline.control.leases.run_heartbeats import BEAT_SECONDS, RunBeats


class RunBeat:
    """The signs of life of one run."""

    def __init__(self, beats: RunBeats, run_id: str) -> None:
        self._beats = beats
        self._run_id = run_id

    def beat(self) -> bool:
        return self._beats.beat(self._run_id)


@contextmanager
def run_alive(
    beats: RunBeats, run_id: str | None, *, seconds: float = BEAT_SECONDS / BEATS_PER_LEASE
) -> Iterator[None]:
    """Say for the length of the block that this process works on the run.

    Whatever ends the block in order takes the run off the list; a kill leaves it there, which is
    how the daemon's ``lost_runs`` sensor notices. None is work of no run; nobody waits for it.
    """
    if run_id is None:
        yield
        return
    beats.begin(run_id)
    try:
        with beating(RunBeat(beats, run_id), seconds=seconds):
            yield
    finally:
        beats.end(run_id)
