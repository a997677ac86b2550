from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline_tests.control.rate_limits.calling_process import REALM
from ledgerguard_pipeline_tests.control.rate_limits.raw_limits import starts
from ledgerguard_pipeline_tests.stores import on_all_stores

ROOT = Path(__file__).parents[3]
PER_WINDOW = 20
WINDOW = 1.0
CALLS = 70
CONCURRENT = 3


def calls_of(settings: Settings, *options: str) -> list[tuple[float, float]]:
    urls = (settings.ledgerguard_control_url, settings.ledgerguard_redis_url)
    command = [
        sys.executable,
        "-m",
        "ledgerguard_pipeline_tests.control.rate_limits.calling_process",
        str(settings.ledgerguard_home),
        *(url.get_secret_value() if url else "" for url in urls),
        str(CALLS),
        str(PER_WINDOW),
        str(WINDOW),
        str(CONCURRENT),
        "4",
        *options,
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return sorted((float(began), float(ended)) for began, ended in lines)


def permits_in(settings: Settings) -> list[float]:
    """When each permit was given, on the store's clock.

    A process may be put to sleep between its permit and the moment it notes anything itself.
    """
    with ControlPlane.open(settings) as plane:
        return starts(plane, REALM)


@on_all_stores
@pytest.mark.parametrize("options", [(), ("kill",)], ids=["steady", "killed"])
def test_four_processes_together_stay_within_every_window(
    store_settings: Settings, options: tuple[str, ...]
) -> None:
    calls = calls_of(store_settings, *options)
    stamps = permits_in(store_settings)

    most = max(sum(1 for other in stamps if at <= other < at + WINDOW) for at in stamps)
    in_flight = max(
        sum(1 for began, ended in calls if began <= moment < ended) for moment, _ in calls
    )
    assert most <= PER_WINDOW
    assert in_flight <= CONCURRENT
    assert len(stamps) >= CALLS
    if options:
        assert len(calls) < len(stamps), "some processes were killed while they held a permit"
    else:
        assert len(calls) == len(stamps), "no call started without a permit"
