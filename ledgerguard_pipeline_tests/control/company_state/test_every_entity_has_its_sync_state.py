"""How far each entity of each company is, without opening Bronze."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.control.company_state.sync_state import Committed, Counted, SyncState
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment, Mode, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")
WATERMARK = datetime(2026, 11, 1, 11, 59, tzinfo=UTC)


def part(
    entity: str, living: int, *, watermark: datetime | None = WATERMARK, quarantined: int = 0
) -> Committed:
    return Committed(entity, Mode.CDC, "load", living, quarantined, watermark)


def sync_state(plane: ControlPlane, entity: str, realm: RealmId = REALM) -> SyncState:
    return plane.sync_states.read([realm])[realm][entity]


def test_commits_add_up_and_a_complete_one_is_a_sync(plane: ControlPlane, clock: FakeClock) -> None:
    plane.sync_states.committed(REALM, [part("Invoice", 100, watermark=None), part("Bill", 7)])
    assert sync_state(plane, "Invoice").last_sync_at is None
    clock.advance(60)
    plane.sync_states.committed(REALM, [part("Invoice", -3, quarantined=2)])

    invoice = sync_state(plane, "Invoice")
    assert (invoice.rows, invoice.quarantined, invoice.mode) == (97, 2, Mode.CDC)
    assert invoice.last_sync_at == invoice.committed_at == clock.now()
    assert sync_state(plane, "Bill").last_sync_at == clock.now() - timedelta(seconds=60)
    assert plane.sync_states.watermarks(REALM) == {"Invoice": WATERMARK, "Bill": WATERMARK}


def test_a_failure_stays_until_its_own_entity_is_up_to_date_again(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.sync_states.committed(REALM, [part("Invoice", 10), part("Bill", 5)])
    plane.sync_states.ended(REALM, failed={"Bill": "the page was poisoned"})
    failed_at = clock.now()
    clock.advance(900)
    plane.sync_states.committed(REALM, [part("Invoice", 1)])
    plane.sync_states.committed(REALM, [part("Bill", 1, watermark=None)])
    assert (sync_state(plane, "Bill").error, sync_state(plane, "Bill").failed_at) == (
        "the page was poisoned",
        failed_at,
    )
    assert sync_state(plane, "Invoice").error is None

    plane.sync_states.committed(REALM, [part("Bill", 0)])
    assert (sync_state(plane, "Bill").error, sync_state(plane, "Bill").failed_at) == (None, None)


def test_an_entity_may_fail_before_it_was_ever_loaded(plane: ControlPlane) -> None:
    plane.sync_states.ended(REALM, failed={"Bill": "x" * 2_000})
    found = sync_state(plane, "Bill")
    assert (found.rows, found.mode, found.last_sync_at) == (0, None, None)
    assert found.error == "x" * 1_000


def test_an_entity_without_rows_to_write_is_up_to_date_too(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.sync_states.ended(REALM, failed={"Budget": "later"})
    plane.sync_states.ended(REALM, current=["Budget"], counted={"Invoice": Counted(12, 1)})
    assert (sync_state(plane, "Budget").last_sync_at, sync_state(plane, "Budget").error) == (
        clock.now(),
        None,
    )
    assert (sync_state(plane, "Invoice").rows, sync_state(plane, "Invoice").quarantined) == (12, 1)


def test_rebuilt_states_replace_what_was_counted_and_keep_what_failed(
    plane: ControlPlane,
) -> None:
    plane.sync_states.committed(REALM, [part("Invoice", 10)])
    plane.sync_states.ended(REALM, failed={"Invoice": "it was down"})
    newer = WATERMARK + timedelta(hours=1)
    plane.sync_states.rebuilt(
        REALM, [SyncState("Invoice", newer, newer, newer, rows=8, mode=Mode.FULL, load_id="l2")]
    )
    found = sync_state(plane, "Invoice")
    assert (found.rows, found.watermark, found.mode, found.load_id) == (8, newer, Mode.FULL, "l2")
    assert found.error == "it was down"


def test_companies_and_environments_have_separate_states(
    plane: ControlPlane, open_plane: OpenPlane
) -> None:
    plane.sync_states.committed(REALM, [part("Invoice", 1)])
    plane.sync_states.committed(OTHER, [part("Invoice", 2)])
    production = open_plane(clock=plane.clock, intuit_env=Environment.PRODUCTION)
    assert production.sync_states.read() == {}
    assert {realm: found["Invoice"].rows for realm, found in plane.sync_states.read().items()} == {
        REALM: 1,
        OTHER: 2,
    }
