"""Test builds: the product with a clock that can be stepped, in a hurry, or without a guarantee.

A build is the package as it is with a few lines replaced; a line that is no longer there fails
the build, so that no guarantee is believed to be off while it is on.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ledgerguard_pipeline_tests.deploy.stack import PROJECT

CLOCK_VARIABLE = "SOAK_CLOCK"
"""Names the file that says by how many seconds the wall clock of every process is off."""

INSTANCE_FILE = "dagster.yaml"

_PACKAGE = "ledgerguard_pipeline"
_BESIDE = (INSTANCE_FILE, "workspace.yaml")
_STEPPED = f"""
        import os
        from datetime import timedelta
        from pathlib import Path

        try:
            seconds = float(Path(os.environ["{CLOCK_VARIABLE}"]).read_text(encoding="ascii") or 0)
        except (KeyError, OSError):
            seconds = 0.0
        return datetime.now(UTC) + timedelta(seconds=seconds)"""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One text of one file of the package, found there once, and what comes instead."""

    path: str
    old: str
    new: str


class Guarantee(StrEnum):
    """What can be switched off, to prove that the soak notices."""

    SEAM_CHECK = "seam-check"
    TOKEN_SWAP = "token-swap"
    ACK_AFTER_COMMIT = "ack-after-commit"
    OVERLAP = "overlap"
    TOMBSTONES = "tombstones"


REFRESH_LEASE_SECONDS = 25.0
"""How long a process may take to refresh in a build for a hurry; Intuit's answers take 3 s at most."""

CLOCK = Replacement("clock.py", "\n        return datetime.now(UTC)", _STEPPED)

HURRY = (
    Replacement(
        "auth/refresh_lease.py",
        "\nLEASE_SECONDS = 90.0",
        f"\nLEASE_SECONDS = {REFRESH_LEASE_SECONDS}",
    ),
    Replacement(
        "control/webhook_queue/queue.py", "\nLEASE_SECONDS = 120.0", "\nLEASE_SECONDS = 30.0"
    ),
    Replacement(
        "control/webhook_queue/attempts.py",
        "\nRETRY_SECONDS = (15.0, 60.0, 300.0, 900.0)",
        "\nRETRY_SECONDS = (5.0, 15.0, 60.0, 300.0)",
    ),
    Replacement(f"../{INSTANCE_FILE}", "start_timeout_seconds: 120", "start_timeout_seconds: 45"),
    Replacement(f"../{INSTANCE_FILE}", "poll_interval_seconds: 30", "poll_interval_seconds: 5"),
)
"""Whatever waits for a dead process, or tries again, waits for less than half a minute or little
more: nobody has two minutes for what is otherwise done in one."""

WITHOUT: dict[Guarantee, tuple[Replacement, ...]] = {
    Guarantee.SEAM_CHECK: (
        Replacement(
            "qbo/paging/page_walk.py",
            "if seam and previous is not None and not self._joins(previous, page):",
            "if False and not self._joins(previous, page):",
        ),
    ),
    Guarantee.TOKEN_SWAP: (
        Replacement(
            "control/tokens/sql_store.py",
            "if self._version(connection, realm, writing=True) != expected_version:",
            "if False:",
        ),
        Replacement(
            "control/tokens/redis_store.py",
            "if (stored[1] or '') ~= expected then return 'lost' end",
            "",
        ),
    ),
    Guarantee.ACK_AFTER_COMMIT: (
        Replacement(
            "ingestion/events/event_sync.py",
            "        return loads, self._storage.commit(loads)\n",
            "        self._acknowledge(reads)\n        return loads, self._storage.commit(loads)\n",
        ),
    ),
    Guarantee.OVERLAP: (
        Replacement(
            "ingestion/plan.py", "OVERLAP = timedelta(minutes=5)", "OVERLAP = timedelta(0)"
        ),
    ),
    Guarantee.TOMBSTONES: (
        Replacement(
            "ingestion/queries/cdc.py",
            "if single or (row.id not in shown.alive and row.id not in shown.unreadable)",
            "if True",
        ),
    ),
}


def build(folder: Path, without: Collection[Guarantee] = (), *, in_a_hurry: bool = False) -> Path:
    """Copy the package into ``folder`` and change it; ``folder`` goes first in PYTHONPATH.

    Raises:
        LookupError: a text to replace does not stand in its file exactly once.
    """
    shutil.copytree(PROJECT / _PACKAGE, folder / _PACKAGE)
    for name in _BESIDE:
        shutil.copy2(PROJECT / name, folder / name)
    replaced = [CLOCK, *(HURRY if in_a_hurry else ())]
    replaced += [each for name in without for each in WITHOUT[name]]
    for each in replaced:
        path = folder / _PACKAGE / each.path
        text = path.read_text(encoding="utf-8")
        if text.count(each.old) != 1:
            raise LookupError(f"{each.path} does not hold {each.old!r} exactly once")
        path.write_text(text.replace(each.old, each.new), encoding="utf-8")
    return folder
