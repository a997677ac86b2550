from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard


@pytest.fixture
def bronze(home: Path) -> BronzeStore:
    home.mkdir()
    return make_bronze(load_settings().bronze_path)


def test_a_question_is_answered_as_json(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard(
        "sql", "--json", "SELECT id, id, 1.10::DECIMAL(9,2) AS amount FROM bronze.customer_current"
    )

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == {
        "columns": ["id", "id_2", "amount"],
        "rows": [{"id": "1", "id_2": "1", "amount": "1.10"}],
    }


def test_what_json_has_no_form_for_is_a_text(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard(
        "sql", "--json",
        "SELECT 'nan'::DOUBLE AS a, ['-inf'::DOUBLE] AS b, map([DATE '2026-01-31'], [1.10]) AS c, "
        "1 AS id, 2 AS id_2, 3 AS id",
    )  # fmt: skip

    def refused(name: str) -> None:
        raise ValueError(name)

    (row,) = json.loads(outcome.out, parse_constant=refused)["rows"]
    assert row == {
        "a": "NaN", "b": ["-Infinity"], "c": {"2026-01-31": "1.10"}, "id": 1, "id_2": 2, "id_3": 3,
    }  # fmt: skip


def test_a_table_shows_values_as_they_are(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard("sql", "SELECT payload->>'DisplayName' AS name FROM bronze.customer")

    assert "[red]Acme[/red]" in outcome.out
    assert "\x1b" not in outcome.out


def test_numbers_stand_on_the_right_and_text_on_the_left(
    ledgerguard: Ledgerguard, bronze: BronzeStore
) -> None:
    wide = ledgerguard("sql", "SELECT 7 AS a_long_name, '7' AS another_name, NULL AS nothing").out
    assert "│           7 │ 7            │ -       │" in wide


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bronze.customer",
        "DROP VIEW bronze.customer_current",
        "SELECT 1; DELETE FROM bronze.customer",
        "COPY bronze.customer TO 'out.csv'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELEC 1",
        "SELECT * FROM bronze.nonsense",
    ],
)
def test_only_reading_statements_run(
    ledgerguard: Ledgerguard, bronze: BronzeStore, statement: str
) -> None:
    outcome = ledgerguard("sql", statement)

    assert outcome.code == 2, outcome
    assert len(outcome.err.splitlines()) == 1
    assert bronze.counts() == {"Customer": 1}
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.usefixtures("bronze")
@pytest.mark.parametrize("name", ["bronze.duckdb", "Bronze.db", "bronze"])
def test_a_copy_whose_name_would_hide_its_tables_is_refused(
    ledgerguard: Ledgerguard, name: str
) -> None:
    outcome = ledgerguard("snapshot", name)

    assert outcome.code == 2
    assert "choose another name, such as books.duckdb" in outcome.err
    assert not Path(name).exists()


def test_a_snapshot_is_a_store_of_its_own(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard("snapshot", "copy.duckdb", "--json")

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["bytes"] == Path("copy.duckdb").stat().st_size
    assert BronzeStore(Path("copy.duckdb"), Environment.SANDBOX).counts() == {"Customer": 1}


def test_a_company_of_which_nothing_is_here_is_not_called_sound(
    ledgerguard: Ledgerguard, bronze: BronzeStore
) -> None:
    for command in ("bronze", "silver"):
        outcome = ledgerguard(command, "check", "--company", "1")
        assert outcome.code == 2
        assert "Nothing was loaded of company 1; Bronze holds 9341453474484455." in outcome.err


def test_an_answer_can_be_csv(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard(
        "sql", "--csv", "SELECT id, 'a,\"b\"' AS text, 1.10::DECIMAL(9,2) AS amount, NULL AS nothing, "
        "true AS yes FROM bronze.customer_current",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    (row,) = csv.DictReader(io.StringIO(outcome.out))
    assert row == {"id": "1", "text": 'a,"b"', "amount": "1.10", "nothing": "", "yes": "true"}


def test_a_wide_row_can_stand_upright(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    outcome = ledgerguard("sql", "--vertical", "SELECT id, payload FROM bronze.customer_current")

    lines = outcome.out.splitlines()
    assert lines[:2] == ["-- row 1 --", "     id  1"]
    assert lines[2].startswith("payload  {")


def test_one_form_is_chosen(ledgerguard: Ledgerguard, bronze: BronzeStore) -> None:
    assert ledgerguard("sql", "--csv", "--json", "SELECT 1").code == 2


def test_entity_types_are_listed_with_those_that_are_kept(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Invoice")
    listed = json.loads(ledgerguard("entities", "--json").out)

    assert [each["entity"] for each in listed] == [each.name for each in ENTITIES]
    assert [each["entity"] for each in listed if each["kept"]] == ["Invoice"]
    assert "InventoryAdjustment" in ledgerguard("entities").out


def test_a_copy_is_replaced_only_where_that_is_asked_for(
    ledgerguard: Ledgerguard, bronze: BronzeStore, tmp_path: Path
) -> None:
    copy = tmp_path / "books.duckdb"
    duckdb.connect(copy).close()
    old = copy.read_bytes()

    assert ledgerguard("snapshot", str(copy)).code == 2
    assert copy.read_bytes() == old
    assert ledgerguard("snapshot", "--replace", str(copy)).code == 0
    assert BronzeStore(copy, Environment.SANDBOX).counts() == {"Customer": 1}
    assert list(tmp_path.glob(".books*")) == []


def test_whoever_was_let_read_a_copy_can_read_the_next_one(
    ledgerguard: Ledgerguard, bronze: BronzeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "books.duckdb"

    def mode() -> int:
        return copy.stat().st_mode & 0o777

    assert ledgerguard("snapshot", str(copy)).code == 0
    assert mode() == 0o600
    copy.chmod(0o644)
    assert ledgerguard("snapshot", "--replace", str(copy)).code == 0
    assert mode() == 0o644

    def not_ours(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    copy.chmod(0o640)
    monkeypatch.setattr(os, "chown", not_ours)
    assert ledgerguard("snapshot", "--replace", str(copy)).code == 0
    assert mode() == 0o600, "our own group was not let in"


def test_what_killed_copies_left_is_deleted_when_no_copy_can_be_at_work_on_it(
    ledgerguard: Ledgerguard, bronze: BronzeStore, tmp_path: Path
) -> None:
    old, young, other = (
        tmp_path / name for name in (".books.duckdb.7.partial", ".books.duckdb.8.partial", ".b.7.partial")
    )  # fmt: skip
    for each in (old, young, other):
        each.write_bytes(b"half of the books")
    for each in (old, other):
        os.utime(each, (0, 0))

    assert ledgerguard("snapshot", str(tmp_path / "books.duckdb")).code == 0
    assert [each.exists() for each in (old, young, other)] == [False, True, True]


@pytest.mark.parametrize("what", ["encryption.key", "control.db", "notes.txt"])
def test_a_copy_replaces_nothing_but_a_copy(
    ledgerguard: Ledgerguard, bronze: BronzeStore, home: Path, what: str
) -> None:
    other = home / what
    other.write_bytes(b"nobody has this twice")

    outcome = ledgerguard("snapshot", "--replace", str(other))

    assert outcome.code == 2
    assert "is no DuckDB file, so it stays as it is" in outcome.err
    assert other.read_bytes() == b"nobody has this twice"
    assert list(home.glob(f".{what}*")) == []
