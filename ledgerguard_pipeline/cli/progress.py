"""Watching a sync: a live bar on a terminal, one plain line per entity elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from ledgerguard_pipeline.cli.output import errors, printable
from ledgerguard_pipeline.failure import cause_of
from ledgerguard_pipeline.ingestion.progress import ProgressSink
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def watching(*, month_to_date: int, budget: int) -> Iterator[ProgressSink]:
    """A sink that shows what happens on stderr, live if that is a terminal."""
    if not sys.stderr.isatty():
        yield PlainLines(sys.stderr)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeElapsedColumn(),
        console=errors(),
        transient=True,
    )
    with progress:
        yield LiveBars(progress, month_to_date=month_to_date, budget=budget)


class PlainLines:
    """One line when an entity is done and there is something to report."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._failures = _Failures()
        self._lock = threading.Lock()

    def started(self, realm_id: RealmId, entities: tuple[str, ...]) -> None:
        types = "entity type" if len(entities) == 1 else "entity types"
        self._line(f"{realm_id}: syncing {len(entities)} {types}")

    def page(self, realm_id: RealmId, entity: str, rows: int, expected: int | None) -> None:
        """Pages are too many for plain lines."""

    def committed(self, realm_id: RealmId, entity: str, rows: int) -> None:
        """Shown once, by ``finished``."""

    def calls(self, realm_id: RealmId, http_calls: int) -> None:
        """Shown once, in the summary."""

    def finished(self, result: EntityResult) -> None:
        if result.status == "failed":
            text = self._failures.line(result)
            if text is not None:
                self._line(text)
        elif result.fetched:
            self._line(result.line)

    def _line(self, text: str) -> None:
        # A sync does not fail because nobody reads on: `2>&1 | head` leaves it without a reader.
        with self._lock, suppress(OSError):
            self._stream.write(printable(text) + "\n")
            self._stream.flush()


class _Failures:
    """Says each cause once per company; the summary counts the types that suffered from it."""

    def __init__(self) -> None:
        self._said: set[tuple[RealmId, str]] = set()

    def line(self, result: EntityResult) -> str | None:
        key = result.realm_id, cause_of(result.error or "")
        if key in self._said:
            return None
        self._said.add(key)
        return f"{result.realm_id}: {result.entity} failed: {result.error}"


class LiveBars:
    """A bar per company (entities done, rows, calls, budget) and one per entity under way."""

    def __init__(self, progress: Progress, *, month_to_date: int, budget: int) -> None:
        self._progress = progress
        self._budget = budget
        self._month_to_date = month_to_date
        self._lock = threading.Lock()
        self._companies: dict[RealmId, TaskID] = {}
        self._entities: dict[tuple[RealmId, str], TaskID] = {}
        self._failures = _Failures()
        self._rows: dict[RealmId, int] = {}
        self._calls: dict[RealmId, int] = {}

    def started(self, realm_id: RealmId, entities: tuple[str, ...]) -> None:
        with self._lock:
            self._rows[realm_id] = self._calls[realm_id] = 0
            self._companies[realm_id] = self._progress.add_task(
                f"company {realm_id}", total=len(entities), facts=""
            )

    def page(self, realm_id: RealmId, entity: str, rows: int, expected: int | None) -> None:
        with self._lock:
            key = (realm_id, entity)
            if key not in self._entities:
                self._entities[key] = self._progress.add_task(
                    f"  {entity}", total=expected, facts="rows"
                )
            self._progress.update(self._entities[key], advance=rows, total=expected)

    def committed(self, realm_id: RealmId, entity: str, rows: int) -> None:  # noqa: ARG002 - the sink's signature
        with self._lock:
            self._rows[realm_id] = self._rows.get(realm_id, 0) + rows
            self._refresh(realm_id)

    def calls(self, realm_id: RealmId, http_calls: int) -> None:
        with self._lock:
            self._calls[realm_id] = http_calls
            self._refresh(realm_id)

    def finished(self, result: EntityResult) -> None:
        with self._lock:
            task = self._entities.pop((result.realm_id, result.entity), None)
            if task is not None:
                self._progress.remove_task(task)
            company = self._companies.get(result.realm_id)
            if company is not None:
                self._progress.advance(company)
            text = self._failures.line(result) if result.status == "failed" else None
            if text is not None:
                self._progress.console.print(printable(text))

    def _refresh(self, realm_id: RealmId) -> None:
        task = self._companies.get(realm_id)
        if task is None:
            return
        month = self._month_to_date + sum(self._calls.values())
        self._progress.update(
            task,
            facts=(
                f"{self._rows.get(realm_id, 0):,} rows · {self._calls.get(realm_id, 0):,} calls "
                f"· {month:,} of {self._budget:,} this month"
            ),
        )
