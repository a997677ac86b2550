"""One company whose documents, Silver, journal and postings are loaded, for all files of this room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.made_once import made_once
from ledgerguard_pipeline_tests.tieout.books import TODAY, Books, open_books, open_sandbox
from ledgerguard_pipeline_tests.tieout.documents import sync_documents


@pytest.fixture(scope="session")
def loaded_documents(shared_folder: Path) -> Iterator[tuple[SandboxServer, Path]]:
    """A sandbox, and a store with everything of its company. No test may edit its books."""
    made = made_once(shared_folder, "documents", _load_documents)
    with open_sandbox() as sandbox:
        yield sandbox, made / "loaded.duckdb"


def _load_documents(folder: Path) -> None:
    with (
        open_sandbox() as sandbox,
        open_books(sandbox, folder / "loaded.duckdb", silver=True) as made,
    ):
        sync_documents(made)
        made.sync.bring_up_to_date(max(TODAY, SYSTEM_CLOCK.now().date()))
        made.documents.derive()
        made.documents.listed()


@pytest.fixture
def documents(loaded_documents: tuple[SandboxServer, Path], tmp_path: Path) -> Iterator[Books]:
    """A copy of the loaded store for each test."""
    sandbox, file = loaded_documents
    sandbox.set(reports={})
    copy = tmp_path / "books.duckdb"
    shutil.copyfile(file, copy)
    with open_books(sandbox, copy, silver=True) as opened:
        yield opened
