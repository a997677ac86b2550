"""What of Dagster itself an operator has to know: is the daemon alive, is anything switched off."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import InstigatorStatus

HEARTBEAT_SECONDS = 300.0
"""A daemon that has not been heard of for this long does not run (Dagster's own tolerance)."""


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """``heartbeat_at`` is None if no daemon ever ran; ``stopped`` are schedules and sensors."""

    heartbeat_at: datetime | None
    stopped: tuple[str, ...]

    def daemon_runs(self, now: datetime) -> bool:
        """Whether schedules and sensors are being evaluated."""
        if self.heartbeat_at is None:
            return False
        return (now - self.heartbeat_at).total_seconds() < HEARTBEAT_SECONDS


def read_daemon_status(folder: Path) -> DaemonStatus:
    """Look at the instance whose home is ``folder``; it must have been used before."""
    with _home(folder), dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
        beats = instance.get_daemon_heartbeats().values()
        newest = max((beat.timestamp for beat in beats), default=None)
        stopped = instance.all_instigator_state(instigator_statuses={InstigatorStatus.STOPPED})
        return DaemonStatus(
            None if newest is None else datetime.fromtimestamp(newest, UTC),
            tuple(sorted({state.instigator_name for state in stopped})),
        )


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """``dagster.yaml`` names its storage by ``DAGSTER_HOME``."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before
