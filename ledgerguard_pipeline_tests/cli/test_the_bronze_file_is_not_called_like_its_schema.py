"""``bronze.invoice`` means one thing in a file that somebody opens with DuckDB."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard


def finding(ledgerguard: Ledgerguard) -> dict[str, str]:
    findings = json.loads(ledgerguard("doctor", "--json").out)["findings"]
    found: dict[str, str] = next(each for each in findings if each["topic"] == "Bronze")
    return found


def test_the_default_file_answers_select_from_bronze(home: Path, ledgerguard: Ledgerguard) -> None:
    make_bronze(load_settings().bronze_path)
    with duckdb.connect(str(home / "quickbooks.duckdb"), read_only=True) as connection:
        assert len(connection.execute("SELECT * FROM bronze.customer").fetchall()) == 1
    assert finding(ledgerguard)["verdict"] == "ok"


def test_an_existing_bronze_file_goes_on_being_used_and_doctor_says_how_to_rename_it(
    home: Path, ledgerguard: Ledgerguard
) -> None:
    former = home / "bronze.duckdb"
    make_bronze(former)
    assert load_settings().bronze_path == former
    reported = finding(ledgerguard)
    assert reported["verdict"] == "advice"
    assert "bronze.bronze.invoice" in reported["text"]

    _, _, command = reported["next_step"].partition("then: ")
    word, source, target = shlex.split(command)
    assert word == "mv"
    Path(source).rename(target)
    assert load_settings().bronze_path == home / "quickbooks.duckdb"
    assert finding(ledgerguard)["verdict"] == "ok"
    assert json.loads(ledgerguard("sql", "--json", "SELECT id FROM bronze.customer").out)["rows"]


def test_of_two_files_the_one_with_the_history_is_used_and_doctor_names_the_other(
    home: Path, ledgerguard: Ledgerguard
) -> None:
    make_bronze(home / "bronze.duckdb")
    make_bronze(home / "quickbooks.duckdb")
    reported = finding(ledgerguard)
    assert load_settings().bronze_path == home / "bronze.duckdb"
    assert reported["verdict"] == "advice"
    assert "quickbooks.duckdb exists as well and is not used" in reported["text"]


def test_a_setting_that_names_such_a_file_is_part_of_the_advice(
    home: Path, ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "elsewhere" / "Bronze.duckdb"
    make_bronze(path)
    monkeypatch.setenv("LEDGERGUARD_BRONZE_URL", f"duckdb:///{path}")
    reported = finding(ledgerguard)
    assert reported["verdict"] == "advice"
    assert f"set LEDGERGUARD_BRONZE_URL to duckdb:///{home}/elsewhere/" in reported["next_step"]
