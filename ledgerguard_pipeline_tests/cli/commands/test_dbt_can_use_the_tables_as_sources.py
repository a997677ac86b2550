"""``ledgerguard dbt-sources``: what it writes, and that real dbt-duckdb builds and tests over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs here

from ledgerguard_pipeline.silver.layout import all_tables
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.silver.books import Books, store_at


def test_sources_have_descriptions_tests_and_freshness(
    ledgerguard: Ledgerguard, tmp_path: Path
) -> None:
    file = tmp_path / "sources.yml"
    assert ledgerguard("dbt-sources", str(file), "--warn-hours", "5").code == 0
    assert ledgerguard("dbt-sources", "--warn-hours", "5").out == file.read_text()
    bronze, silver = yaml.safe_load(file.read_text())["sources"]
    loads = next(each for each in bronze["tables"] if each["name"] == "_loads")
    assert loads["loaded_at_field"] == "loaded_at"
    assert loads["freshness"] == {
        "warn_after": {"count": 5, "period": "hour"},
        "error_after": {"count": 72, "period": "hour"},
    }
    tables = {each["name"]: each for each in silver["tables"]}
    assert {table.name for table in all_tables()} <= set(tables)
    assert all(each["description"] for each in (*bronze["tables"], *silver["tables"]))
    line = tables["invoice_line"]
    assert [next(iter(test)) for test in line["data_tests"]] == ["unique", "relationships"]
    columns = {column["name"]: column for column in line["columns"]}
    assert columns["line_no"]["data_tests"] == ["not_null"]
    assert columns["amount"]["data_type"] == "DECIMAL(38,18)"


def test_tables_that_are_not_there_are_no_sources(
    ledgerguard: Ledgerguard, home: Path, tmp_path: Path
) -> None:
    home.mkdir()
    books = Books(store_at(home / "quickbooks.duckdb"))
    books.write("Invoice", {"1": {"TxnDate": "2026-01-01"}})
    there = books.store.sql(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
    )
    file = tmp_path / "sources.yml"

    written = ledgerguard("dbt-sources", str(file))

    assert (written.code, written.out) == (0, f"Wrote {file}.\n")
    sources = yaml.safe_load(file.read_text())["sources"]
    listed = {f"{each['name']}.{table['name']}" for each in sources for table in each["tables"]}
    assert listed <= {str(name) for (name,) in there.rows}
    assert {"bronze.invoice", "silver.invoice_line", "silver.ar_open"} <= listed
    left_out = written.err.removeprefix("Left out, because nothing of their kind was loaded: ")
    assert set(left_out.partition(" and ")[0].split(", ")).isdisjoint(listed)
    assert len(left_out.splitlines()) == 1


def test_an_order_dbt_could_not_follow_is_refused(ledgerguard: Ledgerguard) -> None:
    outcome = ledgerguard("dbt-sources", "--warn-hours", "9", "--error-hours", "8")
    assert (outcome.code, outcome.out) == (2, "")
    assert ledgerguard("dbt-sources", "nowhere/sources.yml").code == 2


def test_only_its_own_file_is_written_again(ledgerguard: Ledgerguard, tmp_path: Path) -> None:
    mine, ours = tmp_path / "mine.yml", tmp_path / "ours.yml"
    mine.write_text("version: 2\n")
    ours.touch()
    for _ in range(2):
        assert ledgerguard("dbt-sources", str(ours)).code == 0
    for other in (mine, tmp_path):
        outcome = ledgerguard("dbt-sources", str(other))
        assert outcome.code == 2
        assert "was not made by this command" in outcome.err
    assert mine.read_text() == "version: 2\n"


@pytest.mark.slow
@pytest.mark.timeout(420)  # an environment of its own is installed
def test_dbt_can_use_the_tables_as_sources(ledgerguard: Ledgerguard, tmp_path: Path) -> None:
    """In an environment of its own; dbt-core 1.11 is the newest that installs from wheels alone."""
    venv, project = tmp_path / "venv", tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [
        str(venv / "bin" / "pip"),
        "install",
        "-q",
        "dbt-core<1.12",
        "dbt-duckdb",
        "duckdb==1.5.5",
    ]
    subprocess.run(pip, check=True)
    (project / "models").mkdir(parents=True)
    books = Books(store_at(tmp_path / "quickbooks.duckdb"))
    line = {"Amount": 5, "DetailType": "SalesItemLineDetail"}
    books.write("Invoice", {"1": {"TxnDate": "2026-01-01", "Balance": 5, "Line": [line]}})
    books.store.snapshot(project / "books.duckdb")
    assert ledgerguard("dbt-sources", str(project / "models" / "sources.yml")).code == 0
    outputs = {"dev": {"type": "duckdb", "path": "books.duckdb", "threads": 1}}
    profile = {"books": {"target": "dev", "outputs": outputs}}
    (project / "profiles.yml").write_text(json.dumps(profile))
    about = {"name": "books", "version": "1.0.0", "profile": "books", "model-paths": ["models"]}
    (project / "dbt_project.yml").write_text(json.dumps(about))
    (project / "models" / "receivables.sql").write_text(
        "select bucket, sum(home_open_amt) as owed from {{ source('silver', 'ar_open') }} group by 1"
    )
    quiet = {**os.environ, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    chosen = ["receivables", "source:silver.invoice", "source:silver.invoice_line"]
    done = subprocess.run(
        [str(venv / "bin" / "dbt"), "build", "--select", *chosen],
        cwd=project, env=quiet, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "ERROR=0" in done.stdout
    assert "PASS=13" in done.stdout
