"""The home that 0.1.0 made, unpacked, and the company it was connected to, served again."""

from __future__ import annotations

import json
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Grave, Row
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline_tests.clocks import HastyClock

_HERE = Path(__file__).parent
LATER = timedelta(hours=2)
"""How long after 0.1.0 was stopped the upgraded product starts: its access token is over."""


@cache
def _saved() -> dict[str, Any]:
    with lzma.open(_HERE / "books_0_1_0.json.xz") as stream:
        saved: dict[str, Any] = json.load(stream)
    return saved


@dataclass(frozen=True, slots=True)
class Reported:
    """What README.md tells of, as ``entity/id``."""

    doubled: tuple[str, ...]
    """One version in two or three rows, by GET and by change data capture."""
    short: tuple[str, ...]
    """The newest row is a part of the object only."""
    waiting: tuple[str, ...]
    """Announced and not read."""


def reported() -> Reported:
    """What befell which object."""
    return Reported(**{name: tuple(ids) for name, ids in _saved()["told"].items()})


def stopped_at() -> datetime:
    """When 0.1.0 was stopped."""
    return datetime.fromtimestamp(_saved()["moment"], UTC)


def unpack_home(folder: Path) -> Path:
    """Put the home of 0.1.0 into a folder and return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tarfile.open(_HERE / "home_0_1_0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def saved_company() -> SandboxCompany:
    """The company with every object as it was."""
    saved = _saved()
    company = SandboxCompany(saved["realm_id"], saved["name"], saved["seed"])
    for entity, kept in saved["shelves"].items():
        table = company.tables[entity]
        for id, created, updated, sync_token, active, body in kept["rows"]:
            table.put(Row(id, created, updated, sync_token, active, body.encode()))
        table.graves.update({id: Grave(id, updated) for id, updated in kept["graves"]})
    return company


class LaterClock(HastyClock):
    """Runs on from two hours after 0.1.0 was stopped, whenever the test runs; waits pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self._since = super().now()

    def now(self) -> datetime:
        return stopped_at() + LATER + (super().now() - self._since)


@contextmanager
def serve_again(switches: Switches | None = None) -> Iterator[SandboxServer]:
    """The company on a free port; the grant in the home of 0.1.0 is good."""
    # Waits pass at once for the product, so the limits of a second would strike.
    switches = switches or Switches(limits=False)
    with SandboxServer([saved_company()], switches=switches) as sandbox:
        late = stopped_at() + LATER - datetime.now(UTC)
        # The books are of 0.1.0, whose inventory adjustments had a query and full times.
        sandbox.set(clock_offset_seconds=late.total_seconds(), no_query=[])
        now = stopped_at().timestamp()
        sandbox.world.grants.adopt(sandbox.realm_id, _saved()["refresh_token"], now)
        yield sandbox
