"""Lists of very many companies are judged without reading every sync state; nobody may notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import update

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import sync_marks
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.errors import FailureKind
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.reasons import HealthState
from ledgerguard_pipeline.health.summary import CompanyHealth, read_summaries
from ledgerguard_pipeline_tests.control.company_state.lost_states import lose_states
from ledgerguard_pipeline_tests.web.companies import add, realm

NAMES = [each.name for each in ENTITIES]
SOME_NAMES = st.lists(st.sampled_from(NAMES), max_size=6, unique=True)


@pytest.fixture(params=[None, "Invoice", "Invoice,TaxCode", "TaxCode,TaxRate,Customer,Item"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    return load_settings(
        _env_file=None, ledgerguard_home=tmp_path / "home", ledgerguard_entities=request.param
    )


@pytest.fixture
def plane(settings: Settings) -> Iterator[ControlPlane]:
    with ControlPlane.open(settings) as opened:
        yield opened


@examples(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    minutes=st.integers(0, 3000),
    older=SOME_NAMES,
    failed=SOME_NAMES,
    quarantined=SOME_NAMES,
    forgotten=SOME_NAMES,
    synced=st.booleans(),
    status=st.sampled_from(ConnectionStatus),
)
def test_whatever_the_sync_states_say(
    plane: ControlPlane,
    settings: Settings,
    minutes: int,
    older: list[str],
    failed: list[str],
    quarantined: list[str],
    forgotten: list[str],
    synced: bool,
    status: ConnectionStatus,
) -> None:
    for index in (0, 1):
        lose_states(plane, realm(index))
    plane.tokens.forget(realm(0))
    add(plane, 0, status=status, synced=synced, failed=dict.fromkeys(failed, "No answer."))
    add(plane, 1)
    mine = sync_marks.c.realm_id == realm(0)
    now = plane.now()
    with plane.database.write(None) as connection:
        for names, values in (
            (older, {"last_sync_at": now - timedelta(hours=7)}),
            (quarantined, {"quarantined": 3}),
            (forgotten, {"last_sync_at": None}),
        ):
            connection.execute(
                update(sync_marks).where(mine, sync_marks.c.entity.in_(names)).values(**values)
            )
    later = now + timedelta(minutes=minutes)

    short = read_summaries(plane, settings, now=later)

    assert short == [CompanyHealth.of(each) for each in read_statuses(plane, settings, now=later)]


def test_a_new_consent_ends_at_once_what_failed_for_the_old_grant(
    plane: ControlPlane, settings: Settings
) -> None:
    add(plane)
    ended = Failure(
        "Intuit no longer accepts this company's grant.",
        FailureKind.NEEDS_HUMAN, company_wide=True, name="ReauthorizationRequired",
    )  # fmt: skip
    plane.sync_states.ended(realm(0), failed=dict.fromkeys(NAMES, ended))
    (before,) = read_statuses(plane, settings)
    assert before.health.state is HealthState.UNHEALTHY
    plane.companies.put(replace(before.company, connected_at=plane.now()))
    (after,) = read_statuses(plane, settings)
    assert (after.health.state, after.health.reasons) == (HealthState.HEALTHY, ())
    assert read_summaries(plane, settings) == [CompanyHealth.of(after)]
