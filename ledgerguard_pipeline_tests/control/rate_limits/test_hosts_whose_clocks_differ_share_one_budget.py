"""Permits are counted on the clock of the store, so no host can be ahead of its budget."""

from __future__ import annotations

import pytest
import time_machine

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.control.rate_limits.permits import Budgets
from ledgerguard_pipeline.errors import Throttled
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.rate_limits.raw_limits import limiter_of
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
BUDGETS = Budgets(per_minute=3, per_second=1000, batches_per_minute=1000, concurrent=1000)


@pytest.mark.parametrize("store_settings", ["postgresql", "redis"], indirect=True)
@pytest.mark.parametrize("ahead", [600.0, -600.0], ids=["ahead", "behind"])
def test_a_host_that_is_ahead_gets_nothing_more(open_plane: OpenPlane, ahead: float) -> None:
    """One of these stores serves hosts; a file serves one host, which has one clock."""
    here, elsewhere = (limiter_of(open_plane(), BUDGETS) for _ in range(2))
    for _ in range(3):
        with here.permit(REALM):
            pass
    began = SYSTEM_CLOCK.now()
    with time_machine.travel(began.timestamp() + ahead, tick=True):
        assert abs((SYSTEM_CLOCK.now() - began).total_seconds() - ahead) < 60
        with (
            pytest.raises(Throttled),
            elsewhere.permit(REALM, deadline=SYSTEM_CLOCK.monotonic() + 0.5),
        ):
            pass
