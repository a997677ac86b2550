"""Signs of life of Dagster runs, by which a killed one is distinguished from one that takes long.

A run says that it works when it starts to and several times within ``BEAT_SECONDS`` from then on,
and takes itself off the list when it ends in order. Who stays on the list without a sign for that
long, or whose process is certainly gone, was killed. The rows live beside the leases: one per run
under way, none for runs that ended.

Decision 41 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from ledgerguard_pipeline.control.leases.heartbeat import BEATS_PER_LEASE, beating
from ledgerguard_pipeline.control.leases.process_identity import has_died, this_process
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import leases

BEAT_SECONDS = 45.0
"""How long a run may stay silent before it counts as killed."""

_PREFIX = "run:"


@dataclass(frozen=True, slots=True)
class RunBeat:
    """A run that once said it works; ``lost`` if it was killed since.

    ``holder`` is the process that works on it, as ``control.leases.process_identity`` names it.
    """

    run_id: str
    holder: str
    expires_at: datetime
    lost: bool


class RunBeats:
    """The runs under way of every process that uses this control plane."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run_id: str, ttl_seconds: float = BEAT_SECONDS) -> None:
        """This process works on the run from now on."""
        with self._database.write(None, durable=False) as connection:
            until = self._database.now(connection) + timedelta(seconds=ttl_seconds)
            connection.execute(
                self._database.upsert(leases, ("name", "owner", "fence", "expires_at")),
                {
                    "name": _PREFIX + run_id,
                    "owner": this_process(),
                    "fence": 1,
                    "expires_at": until,
                },
            )

    def beat(self, run_id: str, ttl_seconds: float = BEAT_SECONDS) -> bool:
        """The run still works; False if somebody has given it up meanwhile."""
        with self._database.write(None, durable=False) as connection:
            until = self._database.now(connection) + timedelta(seconds=ttl_seconds)
            changed = connection.execute(
                update(leases)
                .where(leases.c.name == _PREFIX + run_id, leases.c.owner == this_process())
                .values(expires_at=until)
            )
            return changed.rowcount == 1

    def end(self, run_id: str) -> None:
        """The run ended, or somebody reported it as killed."""
        with self._database.write(None, durable=False) as connection:
            connection.execute(delete(leases).where(leases.c.name == _PREFIX + run_id))

    def list(self) -> list[RunBeat]:
        """Every run that began and did not end in order."""
        statement = select(leases).where(leases.c.name.startswith(_PREFIX, autoescape=True))
        with self._database.read() as connection:
            now = self._database.now(connection)
            return [
                RunBeat(
                    run_id=row["name"].removeprefix(_PREFIX),
                    holder=row["owner"],
                    expires_at=row["expires_at"],
                    lost=row["expires_at"] <= now or has_died(row["owner"]),
                )
                for row in connection.execute(statement).mappings()
            ]


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
        with beating(_OneRun(beats, run_id), seconds=seconds):
            yield
    finally:
        beats.end(run_id)


@dataclass(frozen=True, slots=True)
class _OneRun:
    """The signs of life of one run, as ``beating`` gives them."""

    beats: RunBeats
    run_id: str

    def beat(self) -> bool:
        return self.beats.beat(self.run_id)
