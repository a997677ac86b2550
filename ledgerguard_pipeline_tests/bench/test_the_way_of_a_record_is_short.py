"""How many files a reader meets on the way of one changed customer, and what is opened on it.

Counts, not times: the same on every machine. A change that makes a way longer says so here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(420)  # a process of its own that is watched call by call
Journeys = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def journeys() -> Journeys:
    """All journeys, measured once."""
    command = [sys.executable, "-m", "benchmarks.journeys", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {each["journey"]: each for each in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "journey, most",
    [
        ("ledgerguard sync", 151),
        ("webhook: receive", 55),
        ("webhook: tick", 45),
        ("webhook: run", 130),
        ("token refresh", 54),
    ],
)
def test_no_journey_passes_through_more_files_than_it_has_to(
    journeys: Journeys, journey: str, most: int
) -> None:
    assert journeys[journey]["files"] <= most, journeys[journey]["entered"]  # type: ignore[operator]  # JSON


@pytest.mark.parametrize(
    "journey",
    ["ledgerguard sync", "webhook: receive", "webhook: tick", "webhook: run", "token refresh"],
)
def test_the_control_plane_and_the_key_file_are_opened_once(
    journeys: Journeys, journey: str
) -> None:
    openings = journeys[journey]["openings"]
    assert isinstance(openings, dict)
    assert (openings["control plane"], openings["key file"]) == (1, 1)
