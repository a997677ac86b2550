"""How long events take from their receipt to durable rows, counted as the steps of a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

LATENCY_COUNTER = "event_seconds"
LATENCY_BOUNDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
LATENCY_SUM = "sum"


def latencies(received: Sequence[datetime], now: datetime) -> dict[str, float]:
    """Steps of the histogram; each event counts in the one bucket it falls into."""
    steps: dict[str, float] = {}
    for instant in received:
        seconds = max(0.0, (now - instant).total_seconds())
        bound = next((each for each in LATENCY_BOUNDS if seconds <= each), float("inf"))
        steps[str(bound)] = steps.get(str(bound), 0.0) + 1.0
        steps[LATENCY_SUM] = steps.get(LATENCY_SUM, 0.0) + seconds
    return steps
