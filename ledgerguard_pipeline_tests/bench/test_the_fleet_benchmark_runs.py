"""The measurement of many companies at its smallest: every company is loaded, seen and counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fleet import Fleet, Pass, _note
from benchmarks.fleet_against import measure_against
from benchmarks.fleet_growth import compared, growth_table, measure_growth
from benchmarks.fleet_shares import SHARES_WORKER, shares_of, table_of
from benchmarks.goals import Finding, markdown

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_fleet_comes_up_rests_and_changes() -> None:
    command = [sys.executable, "-m", "benchmarks.fleet", "--realms", "21", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {
        finding["key"]: {each["what"]: each for each in finding["figures"]}
        for finding in json.loads(done.stdout)
    }
    assert found["fleet"]["companies loaded"]["measured"] == "21"
    for figure in ("API calls", "companies visited"):
        assert found["fleet_idle"][figure]["reached"] is True
    assert int(found["fleet_idle"]["Dagster events"]["measured"]) < 30
    for figure in ("companies changed", "rows written"):
        assert found["fleet_changed"][figure]["reached"] is True


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_builds_bring_up_the_same_companies_in_one_run(tmp_path: Path) -> None:
    """Today's commit stands for an older one, so that this never ends with a release."""
    (finding,) = measure_against(tmp_path, realms=2, shards=1, commit="HEAD")
    figures = {each.what: each for each in finding.figures}
    loaded = [each for what, each in figures.items() if what.startswith("companies loaded by ")]
    assert [each.measured for each in loaded] == ["2", "2"]
    for task in ("bring-up", "idle pass"):
        assert "times less" in figures[f"{task}: CPU of a company"].measured


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_growth_compares_two_sizes_and_another_build(tmp_path: Path) -> None:
    now = measure_growth(tmp_path, [1, 2])
    assert [len(line.split("|")) for line in growth_table("this build", now).splitlines()] == [
        8
    ] * 4
    assert compared(now, {1: now[1]}).startswith("1 companies: 1.0 times less CPU for a bring-up")


def test_a_sweep_says_what_it_took_and_where_the_time_went(tmp_path: Path) -> None:
    with Fleet(tmp_path, realms=1, shards=1, worker=SHARES_WORKER) as fleet:
        swept = fleet.sweep("first")
        found = shares_of(tmp_path, "first")
    assert swept.endings == {"changed": 1}
    assert swept.rows_written > 0
    assert swept.events > 0
    assert swept.cpu_seconds > 0
    assert sum(found.values()) <= swept.cpu_seconds
    for work in ("commits of Bronze", "Silver", "Dagster's events", "starting the run"):
        assert found[work] > 0, work
    table = table_of({"first": found}, 1).splitlines()
    assert len(table) == 2 + len(found) + 1
    assert table[-1].endswith("| 100% |")


def test_a_pass_is_reported_as_a_whole_and_by_company() -> None:
    finding = Finding("fleet", "Title", "How.")
    swept = Pass(
        seconds=12.34,
        runs=2,
        events=20,
        cpu_seconds=50.0,
        sandbox_cpu_seconds=3.0,
        api_calls=100,
        peak_mb=300.0,
        endings={"idle": 99, "failed": 1},
        rows_written=0,
    )
    _note(finding, swept, 100)
    reported = markdown(finding)
    assert "50.0 s, 500 ms a company" in reported
    assert "1.00" in reported
    assert "1 failed, 99 idle" in reported


def test_too_few_companies_are_no_fleet() -> None:
    command = [sys.executable, "-m", "benchmarks.fleet", "--realms", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
