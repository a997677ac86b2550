"""Many companies that are up to date without a change are noted in one transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import event

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.idle_notes import TOGETHER, Idle, IdleNotes
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock

REALMS = [RealmId(str(9_341_453_474_484_455 + number)) for number in range(TOGETHER)]
ENTITIES = frozenset({"Bill", "Invoice"})


def _connected(plane: ControlPlane, clock: FakeClock, realms: list[RealmId]) -> IdleNotes:
    for realm in realms:
        plane.companies.put(
            Company(realm, plane.environment, "Books", ConnectionStatus.CONNECTED, clock.now())
        )
        parts = [Committed(name, Mode.FULL, "1", 3, 0, clock.now()) for name in sorted(ENTITIES)]
        plane.sync_states.committed(realm, parts)
    return IdleNotes(plane.database, plane.environment)


def test_as_many_companies_as_are_noted_together_make_one_transaction(
    plane: ControlPlane, clock: FakeClock
) -> None:
    notes = _connected(plane, clock, REALMS)
    plane.sync_states.ended(REALMS[0], failed={"Bill": "refused"})
    plane.companies.stumble(REALMS[1], "no answer")
    plane.calls.record(REALMS[2], entity="Bill", purpose="changes", status=503)
    clock.advance(60)
    commits: list[object] = []
    for engine in (plane.database._durable, plane.database._relaxed):
        event.listen(engine, "commit", commits.append)
    for realm in REALMS:
        notes.add(Idle(realm, ENTITIES, 120.0, recovered=True))
    assert len(commits) == 1
    for states in plane.sync_states.read().values():
        assert {state.last_sync_at for state in states.values()} == {clock.now()}
        assert {state.error for state in states.values()} == {None}
    for company in plane.companies.list():
        assert company.last_success_at == clock.now()
        assert (company.response_time_ms, company.last_error) == (120.0, None)
    assert plane.calls.usage()[REALMS[2]].failed == 0
    clock.advance(60)
    notes.flush()
    assert len(commits) == 1, "what was noted is noted once"


def test_a_failure_that_was_noted_meanwhile_stays(plane: ControlPlane, clock: FakeClock) -> None:
    notes = _connected(plane, clock, REALMS[:2])
    for realm in REALMS[:2]:
        notes.add(Idle(realm, ENTITIES, 120.0))
    clock.advance(0.5)
    plane.sync_states.ended(REALMS[0], failed={"Bill": "refused"})
    clock.advance(0.5)
    notes.beat()
    failed, other = (plane.sync_states.read()[realm] for realm in REALMS[:2])
    assert (failed["Bill"].error, failed["Bill"].failed_at) == (
        "refused",
        clock.now() - timedelta(seconds=0.5),
    )
    assert failed["Invoice"].last_sync_at == clock.now() - timedelta(seconds=1)
    assert other["Bill"].last_sync_at == clock.now() - timedelta(seconds=1)


def test_a_company_that_failed_meanwhile_keeps_its_reason(
    plane: ControlPlane, clock: FakeClock
) -> None:
    notes = _connected(plane, clock, REALMS[:3])
    for realm in REALMS[:3]:
        notes.add(Idle(realm, ENTITIES, 120.0))
    clock.advance(0.5)
    plane.sync_states.ended(REALMS[0], failed={"Bill": "refused"})
    plane.companies.stumble(REALMS[0], "refused")
    plane.companies.put(
        Company(
            REALMS[1], plane.environment, "Books", ConnectionStatus.NEEDS_REAUTH, clock.now(),
            last_error="Intuit ended the grant.",
        )
    )  # fmt: skip
    notes.flush()
    reasons = {each.realm_id: each.last_error for each in plane.companies.list()}
    assert [reasons[realm] for realm in REALMS[:3]] == ["refused", "Intuit ended the grant.", None]


def test_a_type_that_has_no_state_yet_gets_one(plane: ControlPlane, clock: FakeClock) -> None:
    notes = _connected(plane, clock, REALMS[:1])
    notes.add(Idle(REALMS[0], ENTITIES | {"Budget"}, 120.0))
    notes.flush()
    states = plane.sync_states.read()[REALMS[0]]
    assert states["Budget"].last_sync_at == clock.now()
    assert states["Budget"].watermark is None
    assert states["Bill"].rows == 3
