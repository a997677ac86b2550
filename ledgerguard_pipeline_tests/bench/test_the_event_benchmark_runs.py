"""The measurements of webhooks at their smallest: they run, and nothing is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.goals import Finding, markdown, percentile

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "benchmarks.events"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )


def measured(*options: str) -> dict[str, dict[str, tuple[str, bool | None]]]:
    """What each figure came to, by part."""
    done = run("--json", *options)
    assert done.returncode == 0, done.stderr
    return {
        finding["key"]: {
            each["what"]: (each["measured"], each["reached"]) for each in finding["figures"]
        }
        for finding in json.loads(done.stdout)
    }


def test_the_smallest_load_is_answered_stored_and_processed_once() -> None:
    found = measured(
        *("--only=receiver", "--rate=20", "--seconds=2"), *("--only=queue", "--queue-events=3")
    )
    assert found["receiver"]["answered with 200"] == ("40", True)
    assert found["receiver"]["events stored"] == ("40", True)
    for store in ("SQLite", "PostgreSQL"):
        assert found["queue"][f"{store}: events processed"] == ("60", True)
        assert found["queue"][f"{store}: processed twice"] == ("0", True)
        assert found["queue"][f"{store}: left in the queue"] == ("0", True)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_under_up_an_edit_of_the_sandboxs_books_becomes_a_row_and_a_burst_one_run() -> None:
    found = measured(*("--only=latency", "--edits=2"), *("--only=burst", "--burst-events=100"))
    assert set(found["latency"]) >= {"median", "p95"}
    assert found["burst"]["events handled"] == ("100", True)
    assert found["burst"]["runs"] == ("1", True)
    assert found["burst"]["API calls"][1] is True


def test_an_unknown_part_is_refused_before_anything_is_measured() -> None:
    done = run("--only=weather")
    assert done.returncode == 2
    assert "weather is none of receiver, latency, burst, queue" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_a_whole_measurement_is_written_down() -> None:
    done = run("--only=queue", "--write")
    assert done.returncode == 2
    assert "--write needs all parts" in done.stderr


@pytest.mark.parametrize(
    "share,expected", [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(each) for each in range(100, 0, -1)], share) == expected
    assert percentile([7.0], share) == 7.0


def test_a_figure_says_whether_it_reached_its_goal() -> None:
    finding = Finding("key", "Title", "How.")
    finding.at_most("answer", 249.96, 250, "ms")
    finding.at_most("answer, alas", 251, 250, "ms")
    finding.exactly("stored", 1_000, 1_000)
    finding.exactly("lost", 1, 0)
    finding.note("by the way", "blue")
    assert [each.reached for each in finding.figures] == [True, False, True, False, None]
    lines = markdown(finding).splitlines()
    assert lines[0] == "### Title"
    assert lines[7].split("|")[1:5] == [
        " answer, alas ", " 251 ms   ", " at most 250 ms ", " no      ",
    ]  # fmt: skip
    assert len({len(line) for line in lines[4:]}) == 1
