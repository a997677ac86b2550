"""What every contender meets: one sandbox company, a connected home and an access token."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks.environments import FOLDER, ROOT
from benchmarks.process import Finished, clean_environment, run
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess

CONTENDERS = Path(__file__).parent / "contenders"
_LIFTED = {
    "LEDGERGUARD_MAX_REQUESTS_PER_MINUTE": "100000",
    "LEDGERGUARD_MAX_REQUESTS_PER_SECOND": "10000",
    "LEDGERGUARD_MAX_BATCHES_PER_MINUTE": "100000",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the sandbox counted: calls, what Intuit would meter, and refusals for going too fast."""

    calls: int
    metered: int
    refused: int


class _Books(msgspec.Struct):
    rows: dict[str, int]


class _Stats(msgspec.Struct):
    calls: dict[str, dict[str, int]]
    metered: dict[str, int]
    statuses: dict[str, int]


class Stage:
    """A sandbox process. ``lifted`` takes away Intuit's limits and our budgets alike."""

    def __init__(self, *, invoices: int, latency_ms: float = 0.0, lifted: bool = True) -> None:
        self.lifted = lifted
        self._sandbox = SandboxProcess(
            invoices=invoices,
            latency_ms=latency_ms,
            arguments=["--no-limits"] if lifted else [],
        )

    def __enter__(self) -> Self:
        FOLDER.mkdir(exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
        try:
            self._sandbox.start()
            self._template = self.folder("template")
            found = self._run([sys.executable, "connect.py"], self._template, {})
            self._token = str(found.last_line()["token"])
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._sandbox.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """A new folder that ends with the stage."""
        path = self._folder / name
        path.mkdir()
        return path

    def home(self, name: str) -> Path:
        """A folder with a home where the company is connected and nothing is loaded."""
        path = self._folder / name
        shutil.copytree(self._template, path)
        return path

    def discard(self, folder: Path) -> None:
        """Give the disk space back."""
        shutil.rmtree(folder)

    def contender(
        self, script: str, entities: Sequence[EntityType], folder: Path, python: str, **more: object
    ) -> Finished:
        """Run one of the contenders' scripts in ``folder`` with the Python of its environment."""
        rows = [
            {
                "name": entity.name,
                "active": entity.soft_delete,
                "incremental": entity.timestamps
                and entity.identified
                and entity.kind not in (Kind.TEMPLATE, Kind.SINGLETON),
            }
            for entity in entities
        ]
        order = {"token": self._token, "entities": rows, "folder": str(folder), **more}
        return self._run([python, script], folder, order)

    def ledgerguard(self, folder: Path, *arguments: str) -> Finished:
        """Run ``ledgerguard`` as a user does, with the home in ``folder``."""
        command = [sys.executable, "-P", "-m", "ledgerguard_pipeline.cli", *arguments]
        return run(command, environment=self._variables(folder), folder=folder)

    def living(self, entities: Sequence[EntityType]) -> int:
        """How many objects of these types the company really has."""
        books = msgspec.convert(self._sandbox.companies()[0], _Books)
        return sum(books.rows[entity.name] for entity in entities)

    def forget_calls(self) -> None:
        """Count from nothing, as if a quiet minute had gone by."""
        self._sandbox.reset_stats()
        self._sandbox.reset_limits()

    def asked(self) -> Asked:
        """What arrived since ``forget_calls``."""
        stats = msgspec.convert(self._sandbox.stats(), _Stats)
        realm = self._sandbox.realm_id
        return Asked(
            sum(stats.calls.get(realm, {}).values()),
            stats.metered.get(realm, 0),
            stats.statuses.get("429", 0),
        )

    def _run(self, command: list[str], folder: Path, order: dict[str, object]) -> Finished:
        python, script = command
        where = {"base_url": self._sandbox.base_url, "realm_id": self._sandbox.realm_id}
        own = self._variables(folder) if python == sys.executable else clean_environment()
        return run(
            [python, str(CONTENDERS / script)],
            environment=own,
            folder=folder,
            order={**where, **order},
        )

    def _variables(self, folder: Path) -> dict[str, str]:
        return {
            **clean_environment(),
            **(_LIFTED if self.lifted else {}),
            "PYTHONPATH": str(ROOT),
            "INTUIT_CLIENT_ID": self._sandbox.client_id,
            "INTUIT_CLIENT_SECRET": self._sandbox.client_secret,
            "INTUIT_BASE_URL": self._sandbox.base_url,
            "LEDGERGUARD_HOME": str(folder / "home"),
        }
