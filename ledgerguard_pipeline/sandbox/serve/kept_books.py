"""The sandbox's books and grants in a file, so that a restart goes on where the last run ended.

The file is Python's own format, which could run code: it lies in a home that only its owner may
write, and nobody else's file is ever read.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ledgerguard_pipeline.sandbox.api.grants import GrantBook
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany

FORMAT = 1
"""Grows when older files can no longer be read."""

SAVE_SECONDS = 1.0
"""How much of the newest edits a killed sandbox may forget."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds."""

    companies: list[SandboxCompany]
    grants: GrantBook


def read_books(path: Path) -> Kept | None:
    """What an earlier run left there; None where it left nothing.

    Raises:
        ValueError: the file is damaged, somebody else's, or of another version.
    """
    try:
        owner = path.stat().st_uid
    except FileNotFoundError:
        return None
    try:
        if owner != os.getuid():
            raise ValueError("it belongs to somebody else")
        format_, companies, grants = pickle.loads(path.read_bytes())  # noqa: S301  # our own file
        if format_ != FORMAT:
            raise ValueError("it is of another version")
    except Exception as error:
        raise ValueError(
            f"the books in {path} cannot be read ({error}); delete that file for new ones"
        ) from error
    return Kept(companies, grants)


def save_books(path: Path, companies: Iterable[SandboxCompany], grants: GrantBook) -> None:
    """Write all of it and put it where the last one was, in one step."""
    listed = list(companies)
    with ExitStack() as locks:
        for company in listed:
            locks.enter_context(company.lock)
        content = pickle.dumps((FORMAT, listed, grants), pickle.HIGHEST_PROTOCOL)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    draft.replace(path)


class BooksKeeper:
    """Saves a world's books a moment after they changed, and once more when it is closed."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._saved: object = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)
        self._save()
        self._thread.start()

    def close(self) -> None:
        """Save what changed last; no edit may come any more."""
        self._closed.set()
        self._thread.join()
        self._save()

    def _run(self) -> None:
        while not self._closed.wait(SAVE_SECONDS):
            self._save()

    def _save(self) -> None:
        now = self._state()
        if now != self._saved:
            save_books(self._path, self._world.companies.values(), self._world.grants)
            self._saved = now

    def _state(self) -> object:
        return self._world.grants.changes, [
            (sum(table.version for table in company.tables.values()), len(company.ledger_only))
            for company in self._world.companies.values()
        ]
