"""The benchmark at its smallest: it runs, and everybody reads every row. No times are judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "ledgerguard_pipeline.cli", "bench"]
SMALLEST = ["--invoices=200", "--runs=1", "--only=speed", "--no-rivals", "--no-warm-up"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_smallest_benchmark_measures_the_floor_and_this_project_with_all_rows() -> None:
    done = run(*SMALLEST, "--json")

    assert done.returncode == 0, done.stderr
    (task,) = json.loads(done.stdout)
    rows = {line["name"]: [sample["rows"] for sample in line["samples"]] for line in task["lines"]}
    assert rows == {
        "floor: requests + json": [200],
        "this project, into Bronze": [200],
        "this project, into Bronze and Silver": [200],
        "this project, `ledgerguard sync`": [200],
    }
    for line in task["lines"]:
        (sample,) = line["samples"]
        assert 0 < sample["seconds"] < sample["process_seconds"]
        assert sample["calls"] >= 1
        assert sample["metered"] >= 1
        assert sample["peak_mb"] > 1


def test_an_unknown_part_is_refused_before_anything_is_measured() -> None:
    done = run("--only=weather")

    assert done.returncode == 2
    assert "weather is none of speed, company, memory" in done.stderr
    assert "Traceback" not in done.stderr
