"""A sweep: many companies in one process, each with its own share of time and its own fate."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from ledgerguard_pipeline.control.company_state.idle_notes import IdleNotes
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.defs.fleet import sweeps as sweeping
from ledgerguard_pipeline.defs.fleet.sweeps import Sweeps
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import BadInputError, OutOfTime, Throttled
from ledgerguard_pipeline.ingestion import fleet as sweeping_fleet
from ledgerguard_pipeline.ingestion.company_sync import resting
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.ingestion.fleet import Ending, Fleet, Limits, Pace, Visit, Worked
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.ingestion.sweep_recorder import KnownCompanies
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.deploy.stack import wait
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

KEPT = entity_types(["Customer", "Invoice", "Vendor", "Purchase"])
CHANGING = tuple(entity for entity in KEPT if entity.cdc)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(4)) as server:
        yield server


@pytest.fixture
def fleet(installation: Installation, sandbox: SandboxServer) -> Installation:
    """Four connected companies, loaded."""
    realms = connect_all(installation.control, sandbox)
    with Sweeps(installation, "first") as sweeps:
        first = by_realm(sweeps.first_loads(realms, KEPT))
    assert {visit.ending for visit in first.values()} == {Ending.CHANGED}
    sandbox.reset_stats()
    sandbox.pop_log()
    return installation


def by_realm(visits: Iterator[list[Visit]]) -> dict[str, Visit]:
    return {visit.realm_id: visit for together in visits for visit in together}


def swept(fleet: Installation, entities: tuple[EntityType, ...] = CHANGING) -> dict[str, Visit]:
    with Sweeps(fleet, "run-1") as sweeps:
        return by_realm(sweeps.bringing_up_to_date(sweeps.connected(), entities))


def recorded(fleet: Installation) -> int:
    (row,) = fleet.bronze.sql("SELECT count(*) FROM _loads").rows
    return int(str(row[0]))


def test_an_idle_company_costs_one_call_and_leaves_no_row(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    before = recorded(fleet)
    known = fleet.bronze.watermarks_of(sandbox.realms)
    noted = fleet.control.sync_states.read()
    visits = swept(fleet)
    assert {visit.ending for visit in visits.values()} == {Ending.IDLE}
    assert visits.keys() == set(sandbox.realms)
    calls = sandbox.pop_log()
    assert sorted(call.realm for call in calls) == sorted(sandbox.realms)
    assert {call.endpoint for call in calls} == {"cdc"}
    assert recorded(fleet) == before
    assert fleet.bronze.watermarks_of(sandbox.realms) == known, "Bronze was not written"
    for realm, states in fleet.control.sync_states.read().items():
        for each in CHANGING:
            last, before_that = states[each.name].last_sync_at, noted[realm][each.name].last_sync_at
            assert last is not None
            assert before_that is not None
            assert last > before_that
    assert all(company.last_success_at for company in fleet.control.companies.list())


def test_watermarks_of_idle_companies_move_after_some_hours(
    fleet: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = fleet.bronze.watermarks_of(sandbox.realms)
    swept(fleet)
    monkeypatch.setattr(resting, "LONGEST", timedelta(0))
    before = recorded(fleet)
    assert {visit.ending for visit in swept(fleet).values()} == {Ending.IDLE}
    moved = fleet.bronze.watermarks_of(sandbox.realms)
    for realm in sandbox.realms:
        assert all(moved[realm][each.name] > known[realm][each.name] for each in CHANGING)
    assert recorded(fleet) == before


def test_a_company_that_was_synced_meanwhile_is_no_older_copy(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    """What is looked up for many companies at once may be old when one of them is visited."""
    realm = RealmId(sandbox.realms[0])
    states, bronze = fleet.control.sync_states, fleet.bronze
    known = KnownCompanies(states, bronze, [realm]).of(realm)
    service = fleet.service(realm)
    with service.open_sync(SyncRequest(realm, KEPT)) as sync:
        sync.run()
    assert states.watermarks(realm) != known.noted
    older: list[object] = []
    notes = IdleNotes(fleet.control.database, fleet.control.environment)
    recorder = fleet.sweep_recorder(realm, replace(known, noted=states.watermarks(realm)), notes)
    recorder.opened(known.watermarks, older.append)
    assert older == []


def test_what_changed_is_in_bronze_and_reported_entity_by_entity(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    changed = sandbox.realms[1]
    id = str(sandbox.edit("update", "Customer", realm_id=changed)["id"])
    visits = swept(fleet)
    assert visits[changed].ending is Ending.CHANGED
    assert [each.entity for each in visits[changed].changed] == ["Customer"]
    others = [visit.ending for realm, visit in visits.items() if realm != changed]
    assert set(others) == {Ending.IDLE}
    stored = fleet.bronze.sql(
        f"SELECT payload, run_id FROM customer_current WHERE realm_id = '{changed}' AND id = '{id}'"
    ).rows
    assert stored == [(sandbox.truth("Customer", changed).rows[id].body, "run-1")]


def test_slow_and_failing_companies_leave_the_others_alone(
    fleet: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "COMPANY_SECONDS", 5.0)
    slow, broken, changed, idle = map(RealmId, sandbox.realms)
    sandbox.inject("hang", realm=slow, seconds=15.0, next=1)
    sandbox.inject("forbidden", realm=broken, next=100)
    sandbox.edit("update", "Vendor", realm_id=changed)
    with Sweeps(fleet, "run-1") as sweeps:
        visits = by_realm(sweeps.bringing_up_to_date(sweeps.connected(), CHANGING))
    assert [*visits][-1] == slow, "the others are done before"
    assert visits[slow].ending is Ending.LATE
    assert visits[broken].ending is Ending.FAILED
    error = visits[broken].error
    assert error is not None
    assert error.realm_id == broken
    assert visits[changed].ending is Ending.CHANGED
    assert visits[idle].ending is Ending.IDLE
    sandbox.clear_faults()
    assert swept(fleet)[slow].ending is Ending.IDLE, "the next sweep catches up"


def test_a_sweep_that_is_left_asks_for_nothing_more(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    good, *others = sandbox.realms
    for realm in others:
        sandbox.inject("error_503_html", realm=realm, next=1_000)
    attempts: Counter[str] = Counter()

    def calls() -> set[str]:
        attempts.update(call.realm for call in sandbox.pop_log())
        return set(attempts)

    with Sweeps(fleet, "run-1") as sweeps:
        visits = sweeps.bringing_up_to_date(sweeps.connected(), CHANGING)
        assert [each.realm_id for each in next(visits)] == [good]
        wait(lambda: calls() >= set(others), 60, "a call of each")
        assert isinstance(visits, Generator)
        visits.close()
    calls()
    # It would be five of each; a second one may have begun before the sweep was left.
    assert all(attempts[realm] <= 2 for realm in others)


def test_a_company_that_cools_down_is_not_waited_for(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    cooling = sandbox.realms[2]
    fleet.control.limiter.cool_down(RealmId(cooling), 300)
    visits = swept(fleet)
    assert visits[cooling].ending is Ending.THROTTLED
    assert [visit.ending for realm, visit in visits.items() if realm != cooling] == [
        Ending.IDLE
    ] * 3
    assert cooling not in {call.realm for call in sandbox.pop_log()}


def test_a_company_somebody_works_on_is_passed(fleet: Installation, sandbox: SandboxServer) -> None:
    taken = RealmId(sandbox.realms[0])
    with CompanyLeases(fleet.control.leases, fleet.control.environment).of(taken):
        visits = swept(fleet)
    assert visits[taken].ending is Ending.BUSY
    assert taken not in {call.realm for call in sandbox.pop_log()}
    assert swept(fleet)[taken].ending is Ending.IDLE


def test_first_loads_are_made_once_and_equal_the_books(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    for realm in sandbox.realms:
        for entity in KEPT:
            rows = fleet.bronze.sql(
                f"SELECT id, payload FROM {entity.table}_current WHERE realm_id = '{realm}'"
            ).rows
            truth = sandbox.truth(entity.name, realm).bodies()
            assert {str(id): str(body).encode() for id, body in rows} == truth
    with Sweeps(fleet, "again") as sweeps:
        assert list(sweeps.first_loads(sweeps.connected(), KEPT)) == []
    assert sandbox.pop_log() == []


def test_reconciling_finds_what_bronze_lacks(fleet: Installation, sandbox: SandboxServer) -> None:
    with Sweeps(fleet, "night") as sweeps:
        visits = by_realm(sweeps.reconciling(sweeps.connected(), KEPT))
    assert {visit.ending for visit in visits.values()} == {Ending.IDLE}
    findings = [result.finding for visit in visits.values() for result in visit.result.results]
    assert len(findings) == 4 * len(KEPT)
    assert all(each is not None and each.missing == each.phantoms == 0 for each in findings)


def announced(fleet: Installation, sandbox: SandboxServer, realms: Sequence[str]) -> Delivery:
    events = []
    for index, realm in enumerate(realms):
        id = str(sandbox.edit("update", "Customer", realm_id=realm)["id"])
        events.append(event(f"e{index}", realm=realm, entity="Customer", object_id=id))
    made = delivery(events)
    fleet.control.deliveries.accept([made])
    return made


def test_webhook_events_of_many_companies_are_read_and_acknowledged_together(
    fleet: Installation, sandbox: SandboxServer
) -> None:
    announced(fleet, sandbox, sandbox.realms)
    taken = fleet.control.inbox.lease("batch-1", realms=sandbox.realms)
    assert len(taken) == 4
    with Sweeps(fleet, "run-e") as sweeps:
        visits = by_realm(sweeps.events("batch-1"))
    assert {visit.ending for visit in visits.values()} == {Ending.CHANGED}
    assert fleet.control.inbox.backlog().by_status == {EventStatus.DONE: 4}
    assert len(sandbox.pop_log()) == 4


def test_events_of_a_company_that_cannot_be_worked_on_come_again(
    fleet: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "LEASE_WAIT_SECONDS", 0.0)
    announced(fleet, sandbox, sandbox.realms)
    fleet.control.inbox.lease("batch-1", realms=sandbox.realms)
    taken = RealmId(sandbox.realms[3])
    with (
        CompanyLeases(fleet.control.leases, fleet.control.environment).of(taken),
        Sweeps(fleet, "run-e") as sweeps,
    ):
        visits = by_realm(sweeps.events("batch-1"))
    assert visits[taken].ending is Ending.BUSY
    found = {each.event.realm_id: each for each in fleet.control.inbox.list()}
    assert found[taken].status is EventStatus.PENDING
    assert found[taken].reason
    assert {each.status for realm, each in found.items() if realm != taken} == {EventStatus.DONE}


REALMS = [RealmId(str(9_341_453_474_484_455 + index)) for index in range(6)]


def changed_result(realm: RealmId, *, written: int) -> SyncResult:
    return SyncResult((EntityResult(realm, "Invoice", Mode.CDC, written=written),))


@pytest.fixture
def leases(installation: Installation) -> CompanyLeases:
    return CompanyLeases(installation.control.leases, installation.control.environment)


def test_what_is_worst_tells_how_a_company_ended(leases: CompanyLeases) -> None:
    late, throttled, bad = OutOfTime("over"), Throttled("429"), BadInputError("bad")
    errors = dict(
        zip(
            REALMS,
            [(), (late,), (throttled,), (late, bad), (throttled, late), (bad,)],
            strict=True,
        )
    )

    def work(realm: RealmId, _: Limits) -> Worked:
        return Worked(changed_result(realm, written=0), errors[realm])

    visits = by_realm(Fleet(leases, Pace(60, 60)).sweep(REALMS, work))
    assert [visits[realm].ending for realm in REALMS] == [
        Ending.IDLE, Ending.LATE, Ending.THROTTLED, Ending.FAILED, Ending.LATE, Ending.FAILED,
    ]  # fmt: skip


def test_an_unexpected_error_is_that_companys_own(leases: CompanyLeases) -> None:
    def work(realm: RealmId, _: Limits) -> Worked:
        if realm == REALMS[0]:
            raise ZeroDivisionError("a bug")
        return Worked(changed_result(realm, written=1))

    visits = by_realm(Fleet(leases, Pace(60, 60)).sweep(REALMS, work))
    assert visits[REALMS[0]].ending is Ending.FAILED
    assert "ZeroDivisionError" in str(visits[REALMS[0]].error)
    assert all(visits[realm].ending is Ending.CHANGED for realm in REALMS[1:])


def test_a_sweep_out_of_time_begins_no_other_company(leases: CompanyLeases) -> None:
    begun: list[RealmId] = []

    def work(realm: RealmId, _: Limits) -> Worked:
        begun.append(realm)
        return Worked(changed_result(realm, written=0))

    visits = by_realm(Fleet(leases, Pace(60, 0)).sweep(REALMS, work))
    assert {visit.ending for visit in visits.values()} == {Ending.LEFT}
    assert begun == []


def test_companies_are_worked_on_at_once_but_no_more_than_the_threads(
    leases: CompanyLeases,
) -> None:
    together = threading.Barrier(3, timeout=30)
    inside, most = 0, 0
    lock = threading.Lock()

    def work(realm: RealmId, _: Limits) -> Worked:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait()
        with lock:
            inside -= 1
        return Worked(changed_result(realm, written=0))

    pace = replace(Pace(60, 60), threads=3)
    assert len(by_realm(Fleet(leases, pace).sweep(REALMS, work))) == 6
    assert most == 3


def test_companies_that_are_done_meanwhile_come_together_but_nobody_waits(
    leases: CompanyLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping_fleet, "TOGETHER", 3)
    looking, all_but_the_last = threading.Event(), threading.Event()

    def work(realm: RealmId, _: Limits) -> Worked:
        if realm == REALMS[1]:
            assert looking.wait(30), "the first one is handed over before"
        if realm == REALMS[-1]:
            all_but_the_last.set()
            assert looking.wait(30)
        return Worked(changed_result(realm, written=0))

    visits = Fleet(leases, replace(Pace(60, 60), threads=1)).sweep(REALMS, work)
    found = [next(visits)]
    looking.set()
    assert all_but_the_last.wait(30)
    found += visits
    assert [[each.realm_id for each in together] for together in found[:2]] == [
        [REALMS[0]],
        [*REALMS[1:4]],
    ]
    assert [each.realm_id for together in found for each in together] == [*REALMS]


def test_leaving_a_sweep_begins_nothing_more(leases: CompanyLeases) -> None:
    begun: list[RealmId] = []

    def work(realm: RealmId, _: Limits) -> Worked:
        begun.append(realm)
        return Worked(changed_result(realm, written=0))

    visits = Fleet(leases, replace(Pace(60, 60), threads=1)).sweep(REALMS, work)
    next(visits)
    visits.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(begun) < len(REALMS)


def test_no_company_is_no_work(leases: CompanyLeases) -> None:
    def never(realm: RealmId, _: Limits) -> Worked:
        raise AssertionError(realm)

    assert list(Fleet(leases, Pace(60, 60)).sweep([], never)) == []
