"""What is counted and not stored yet is written once the store can be written again."""

from __future__ import annotations

from pathlib import Path

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.web.webhooks.counter_buffer import CounterBuffer


def test_counts_are_kept_while_the_store_is_down(home: Path) -> None:
    with ControlPlane.open(load_settings(ledgerguard_home=home)) as plane:
        down = True

        def counters() -> CounterStore:
            if down:
                raise ControlUnavailable("The store is down.")
            return plane.counters

        buffer = CounterBuffer(counters)
        for label in ("bad_signature", "too_large", "bad_signature"):
            buffer.count("webhook_deliveries", label)
        buffer.flush()
        assert plane.counters.read("webhook_deliveries") == {}
        down = False
        buffer.close()
        assert plane.counters.read("webhook_deliveries") == {"bad_signature": 2.0, "too_large": 1.0}
