"""While Intuit refuses every call, runs could only fail; once an hour one of them may ask."""

from datetime import timedelta

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import refusals
from ledgerguard_pipeline.defs.connected_companies import connected_companies, left_out_now
from ledgerguard_pipeline.defs.run_context import run_scope
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND


def _connect(control: ControlPlane, *realms: str) -> None:
    for realm in realms:
        control.companies.put(
            Company(
                RealmId(realm),
                Environment.SANDBOX,
                f"Company {realm}",
                ConnectionStatus.CONNECTED,
                control.now(),
            )
        )


@pytest.mark.parametrize("minutes,listed", [(30, {SECOND}), (-1, {FIRST, SECOND})])
def test_a_company_whose_quota_is_spent_is_listed_once_it_may_ask_again(
    settings: Settings, minutes: int, listed: set[str]
) -> None:
    with ControlPlane.open(settings) as control:
        _connect(control, FIRST, SECOND)
        now = control.now()
        with control.database.write("test") as connection:
            connection.execute(
                refusals.insert().values(
                    environment="sandbox",
                    realm_id=FIRST,
                    began_at=now,
                    last_at=now,
                    count=9,
                    resumes_at=now + timedelta(minutes=minutes),
                )
            )
    with run_scope(settings):
        assert {company.realm_id for company in connected_companies()} == listed


def test_optional_schedules_learn_from_the_ledger_why_they_are_skipped(settings: Settings) -> None:
    with ControlPlane.open(settings) as control:
        _connect(control, FIRST)
        with run_scope(settings):
            assert left_out_now("This schedule") is None
        control.calls.record(
            RealmId(FIRST), entity="Bill", purpose="full", status=200, metered=480_000
        )
    with run_scope(settings):
        why = left_out_now("This schedule")
    assert why is not None
    assert why.startswith("This schedule is skipped: 480000 of")
