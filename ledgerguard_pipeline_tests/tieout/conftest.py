"""One company whose documents, Silver, journal and postings are loaded, for all files of this room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.tieout.books import TODAY, Books, open_books, open_sandbox
from ledgerguard_pipeline_tests.tieout.documents import sync_documents


@pytest.fixture(scope="session")
def loaded_documents(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SandboxServer, Path]]:
    """A sandbox, and a store with everything of its company. No test may edit its books."""
    file = tmp_path_factory.mktemp("documents") / "loaded.duckdb"
    with open_sandbox() as sandbox:
        with open_books(sandbox, file, silver=True) as opened:
            sync_documents(opened)
            opened.sync.bring_up_to_date(TODAY)
            opened.documents.derive()
            opened.documents.listed()
        yield sandbox, file


@pytest.fixture
def documents(loaded_documents: tuple[SandboxServer, Path], tmp_path: Path) -> Iterator[Books]:
    """A copy of the loaded store for each test."""
    sandbox, file = loaded_documents
    sandbox.set(reports={})
    copy = tmp_path / "books.duckdb"
    shutil.copyfile(file, copy)
    with open_books(sandbox, copy, silver=True) as opened:
        yield opened
