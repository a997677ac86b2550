"""Looking on while a soak goes: calls, memory, sizes, and whether what is acknowledged is stored."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from ledgerguard_pipeline.control.storage.schema import metadata, webhook_events
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.soak.journal import Journal
from ledgerguard_pipeline_tests.soak.processes import Services, private_mb

LOOK_SECONDS = 2.0
SAMPLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Sizes at one moment; ``memory`` in MB by service and process id."""

    at: float
    memory: dict[tuple[str, int], float]
    files_bytes: int
    dagster_bytes: int
    control_rows: int


@dataclass(slots=True)
class Seen:
    """All that was seen so far."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    refreshed: int = 0
    unauthorized: int = 0
    samples: list[Sample] = field(default_factory=list)
    checked_events: int = 0
    too_early: list[str] = field(default_factory=list)
    """Events that were acknowledged while Bronze did not show what they announce."""


class Watch:
    """A thread that looks on; close it before reading ``seen``."""

    def __init__(
        self,
        sandbox: SandboxServer,
        services: Services,
        installation: Installation,
        journal: Journal,
    ) -> None:
        self.seen = Seen()
        self._sandbox = sandbox
        self._services = services
        self._installation = installation
        self._journal = journal
        self._types = {each.name: each for each in installation.settings.kept_entities}
        self._known: set[int] = set()
        self._newest_settled: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.calls()
        self._sample()

    def _run(self) -> None:
        sampled = 0.0
        while not self._stop.wait(LOOK_SECONDS):
            self.calls()
            with suppress(LedgerGuardError), self._services.reading:
                self._acknowledged()
            if time.monotonic() - sampled >= SAMPLE_SECONDS:
                sampled = time.monotonic()
                with suppress(LedgerGuardError, OSError):
                    self._sample()

    def calls(self) -> None:
        """Take over what the sandbox answered since the last time."""
        for call in self._sandbox.pop_log():
            self.seen.calls += 1
            self.seen.statuses[call.status] += 1
            if call.fault:
                self.seen.faults[call.fault] += 1
            if call.endpoint == "token" and call.target == "refresh_token":
                if call.status == 200 and call.fault in ("", "slow_body"):
                    self.seen.refreshed += 1
            elif call.status == 401 and call.fault:
                self.seen.unauthorized += 1
            text = f"{call.endpoint} {call.target[:160]} -> {call.status}, {call.rows} rows"
            if call.fault:
                text += f" ({call.fault})"
            entities = {word for word in call.target.replace(",", " ").split() if word.isalpha()}
            about = frozenset(f"{call.realm}/{entity}" for entity in entities)
            self._journal.note("call", f"{call.realm} {text}", about, call.time)

    def _acknowledged(self) -> None:
        """What is done by now has to be visible in Bronze by now."""
        statement = select(webhook_events).where(webhook_events.c.status == "done")
        if self._newest_settled is not None:
            since = self._newest_settled - timedelta(minutes=2)  # processes differ in time
            statement = statement.where(webhook_events.c.settled_at >= since)
        with self._installation.control.database.read() as connection:
            found = [dict(row) for row in connection.execute(statement).mappings()]
        done = [event for event in found if int(event["seq"]) not in self._known]
        by_entity: dict[EntityType, list[dict[str, Any]]] = {}
        for event in done:
            entity = self._types.get(str(event["entity"]))
            if entity is not None and self._is_to_be_seen(entity, event):
                by_entity.setdefault(entity, []).append(event)
        shown = self._newest(by_entity)
        for entity, events in by_entity.items():
            for event in events:
                key = (entity.name, str(event["realm_id"]), str(event["object_id"]))
                newest = shown.get(key)
                if newest is None or newest < event["occurred_at"].replace(microsecond=0):
                    self._report(event, newest)
        self._known |= {int(event["seq"]) for event in done}
        self._newest_settled = max((event["settled_at"] for event in found), default=None)
        self.seen.checked_events += len(done)

    def _is_to_be_seen(self, entity: EntityType, event: dict[str, Any]) -> bool:
        """Whether Bronze must show a version as new as the event.

        Not of objects that are gone by now, which may never have been stored, and not of types
        whose changes are dated by the day.
        """
        company = self._sandbox.world.companies.get(str(event["realm_id"]))
        if company is None or event["occurred_at"] is None or entity.day_times:
            return False
        if entity.kind is Kind.SINGLETON:
            return False
        with company.lock:
            return str(event["object_id"]) in company.tables[entity.name].rows

    def _newest(
        self, wanted: dict[EntityType, list[dict[str, Any]]]
    ) -> dict[tuple[str, str, str], datetime]:
        """When the newest stored version of each object is from."""
        found: dict[tuple[str, str, str], datetime] = {}
        for entity, events in wanted.items():
            ids = sorted({str(event["object_id"]) for event in events})
            listed = ", ".join(f"'{id}'" for id in ids if id.isalnum())
            try:
                rows = self._installation.bronze.sql(
                    "SELECT realm_id, id, max(last_updated_at) "
                    f'FROM bronze."{entity.table}" WHERE id IN ({listed}) GROUP BY ALL'
                ).rows
            except BadInputError:
                continue  # nothing of the type was ever stored
            for realm, id, newest in rows:
                if isinstance(newest, datetime):
                    found[entity.name, str(realm), str(id)] = newest
        return found

    def _report(self, event: dict[str, Any], newest: datetime | None) -> None:
        name = f"{event['realm_id']}/{event['entity']}/{event['object_id']}"
        text = (
            f"event {event['seq']} ({event['operation']} of {name}, {event['occurred_at']}) was "
            f"acknowledged at {event['settled_at']} while Bronze had "
            + ("nothing of it" if newest is None else f"the version of {newest}")
        )
        self.seen.too_early.append(text)
        self._journal.note("problem", text, frozenset({name}))

    def _sample(self) -> None:
        memory = {}
        for name, pid in self._services.named().items():
            private = private_mb(pid)
            if private is not None:
                memory[name, pid] = private
        sizes = {
            path: _size(path)
            for path in self._services.folder.rglob("*")
            if "build" not in path.parts
        }
        dagster = sum(size for path, size in sizes.items() if "dagster" in path.parts)
        with self._installation.control.database.read() as connection:
            rows = sum(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            )
        self.seen.samples.append(Sample(time.time(), memory, sum(sizes.values()), dagster, rows))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
