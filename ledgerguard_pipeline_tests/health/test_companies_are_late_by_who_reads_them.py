"""A schedule reads few companies every 15 minutes, sweeps read many as often as is configured."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.reasons import ReasonKind
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline_tests.web.companies import add, realm


@pytest.mark.parametrize(
    "companies,minutes,late_after",
    [(1, 240, 30), (2, 240, 480), (1, 15, 30), (2, 15, 30), (2, 5, 30)],
)
def test_changes_are_late_after_two_reads(
    tmp_path: Path, companies: int, minutes: int, late_after: int
) -> None:
    settings = load_settings(
        _env_file=None, ledgerguard_home=tmp_path / "home", ledgerguard_entities="Invoice",
        ledgerguard_sweep_above=1, ledgerguard_sweep_minutes=minutes,
    )  # fmt: skip
    with ControlPlane.open(settings) as plane:
        for index in range(companies):
            add(plane, index)
        add(plane, 7, status=ConnectionStatus.DISCONNECTED)
        now = plane.now()
        for age, late in ((late_after - 1, False), (late_after + 1, True)):
            at = now + timedelta(minutes=age)
            (status,) = read_statuses(plane, settings, realms=[realm(0)], now=at)
            short = {
                each.company.realm_id: each for each in read_summaries(plane, settings, now=at)
            }
            kinds = [reason.kind for reason in status.health.reasons]
            assert (ReasonKind.SYNC_LATE in kinds) is late
            assert short[realm(0)].health.reasons == status.health.reasons
