from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits import sql_limiter as module
from ledgerguard_pipeline.control.rate_limits.sql_limiter import Budgets, CallLimiter
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.rate_limits.raw_limits import starts

REALM = RealmId("9341453474484455")


def test_one_permit_never_pays_for_a_whole_backlog(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_STAMPS", 20)
    clock = FakeClock(datetime(2026, 11, 1, tzinfo=UTC))
    with ControlPlane.open(settings, clock=clock) as plane:
        for most, calls, left in ((100, 60, 60), (10, 1, 61 - 16), (10, 1, 62 - 32)):
            gate = CallLimiter(plane.database, plane.environment, Budgets(most, most, most, most))
            clock.advance(60)
            for _ in range(calls):
                with gate.permit(REALM):
                    pass
            assert len(starts(plane, REALM)) == left
