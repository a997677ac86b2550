"""DuckDB leaves Arrow some memory while many payloads are decoded, and has all of it to commit.

The checks, which come last, read in half of it.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.silver import reading, statements
from ledgerguard_pipeline.silver.apply import Applier
from ledgerguard_pipeline.silver.checks import find
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at

OBJECTS = 4


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Memory limits seen when rows are written and when all of them are about to be committed."""
    seen: dict[str, set[str]] = defaultdict(set)

    def watched(name: str) -> Callable[..., object]:
        method = getattr(Applier, name)

        def watch(self: Applier, *arguments: Any) -> object:
            (limit,) = self._connection.execute("SELECT current_setting('memory_limit')").fetchone()  # type: ignore[misc]  # one row
            seen[name].add(str(limit))
            return method(self, *arguments)

        return watch

    for name in ("_write", "note"):
        monkeypatch.setattr(Applier, name, watched(name))
    return seen


@pytest.mark.parametrize("many", [False, True])
def test_memory_is_left_to_arrow_only_while_many_payloads_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, set[str]], many: bool
) -> None:
    monkeypatch.setattr(reading, "CHUNK_ROWS", OBJECTS - 1 if many else OBJECTS)
    books = Books(store_at(tmp_path / "books.duckdb"))
    for edit in range(2):
        books.write(
            "Customer",
            {str(id): {"Id": str(id), "SyncToken": str(edit)} for id in range(1, OBJECTS + 1)},
        )
    assert len(limits["note"]) == 1, "what a commit may use is always the same"
    assert (limits["_write"] != limits["note"]) is many
    assert len(limits["_write"]) == 1


def test_an_update_that_failed_leaves_all_the_memory_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, set[str]]
) -> None:
    monkeypatch.setattr(reading, "CHUNK_ROWS", OBJECTS - 1)
    books = Books(store_at(tmp_path / "books.duckdb"))

    def edit(number: int) -> None:
        given = {str(id): {"Id": str(id), "SyncToken": str(number)} for id in range(1, OBJECTS + 1)}
        books.write("Customer", given)

    edit(0)
    insert = statements.insert
    # The transaction fails while memory is left to Arrow: a table that is not there.
    monkeypatch.setattr(statements, "insert", lambda catalog, _: insert(catalog, "nothing"))
    edit(1)
    monkeypatch.setattr(statements, "insert", insert)
    edit(2)
    assert len(limits["note"]) == 1
    assert limits["note"] != limits["_write"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_checks_read_a_file_in_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    books.write("Customer", {"1": {"Id": "1", "SyncToken": "0"}})
    usual = memory_of(books.store)
    seen: set[str] = set()
    look = find._look

    def watch(ask: find.Ask, *arguments: Any) -> object:
        ((limit,),) = ask("SELECT current_setting('memory_limit')")
        seen.add(str(limit))
        if fails:
            ask("SELECT * FROM nothing")
        return look(ask, *arguments)

    monkeypatch.setattr(find, "_look", watch)
    with pytest.raises(BronzeError) if fails else contextlib.nullcontext():
        find.check_company(books.store, [entity_type("Customer")], REALM)
    assert seen == {"183.1 MiB"}, "192 MB, as DuckDB writes them"
    assert memory_of(books.store) == usual == "366.2 MiB"


def memory_of(store: BronzeStore) -> str:
    """What the instance that reads may use."""
    with store.workspace.read() as view:
        assert view is not None
        row = view.connection.execute("SELECT current_setting('memory_limit')").fetchone()
        assert row is not None
        return str(row[0])
