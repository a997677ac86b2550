from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from ledgerguard_pipeline.sandbox.api.grants import TokenCheck
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.kept_books import BooksKeeper, read_books

REALM = "9341453474484455"


def bodies(world: World) -> dict[str, dict[str, bytes]]:
    return {
        name: {id: table.body(row) for id, row in table.rows.items()}
        for name, table in world.companies[REALM].tables.items()
    }


def test_books_and_grants_are_those_of_the_last_run(tmp_path: Path) -> None:
    file, now = tmp_path / "sandbox.books", time.time()
    first = World([build_company(realm_id=REALM, seed=1, invoices=5)])
    keeper = BooksKeeper(first, file)
    edit(first.companies[REALM], "create", "Invoice", at=int(now))
    token = first.grants.issue(REALM, "scope", now).access_token
    first.close()
    keeper.close()

    kept = read_books(file)
    assert kept is not None
    second = World(kept.companies, grants=kept.grants)

    assert bodies(second) == bodies(first)
    assert second.grants.judge(token, REALM, now) is TokenCheck.GOOD
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    edit(second.companies[REALM], "create", "Invoice", at=int(now))
    assert len(bodies(second)["Invoice"]) == len(bodies(first)["Invoice"]) + 1


def test_without_a_file_the_books_are_new(tmp_path: Path) -> None:
    assert read_books(tmp_path / "none") is None


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.books"
    file.write_bytes(b"half a fi")
    with pytest.raises(ValueError, match="delete that file for new ones") as refused:
        read_books(file)
    assert str(file) in str(refused.value)
