"""How far each entity of each company is, without opening Bronze."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.control.company_state.sync_state import Committed, Counted, SyncMark
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


def mark(plane: ControlPlane, entity: str, realm: RealmId = REALM) -> SyncMark:
    return plane.marks.read([realm])[realm][entity]


def test_commits_add_up_and_a_complete_one_is_a_sync(plane: ControlPlane, clock: FakeClock) -> None:
    plane.marks.committed(REALM, [part("Invoice", 100, watermark=None), part("Bill", 7)])
    assert mark(plane, "Invoice").last_sync_at is None
    clock.advance(60)
    plane.marks.committed(REALM, [part("Invoice", -3, quarantined=2)])

    invoice = mark(plane, "Invoice")
    assert (invoice.rows, invoice.quarantined, invoice.mode) == (97, 2, Mode.CDC)
    assert invoice.last_sync_at == invoice.committed_at == clock.now()
    assert mark(plane, "Bill").last_sync_at == clock.now() - timedelta(seconds=60)
    assert plane.marks.watermarks(REALM) == {"Invoice": WATERMARK, "Bill": WATERMARK}


def test_a_failure_stays_until_its_own_entity_is_up_to_date_again(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.marks.committed(REALM, [part("Invoice", 10), part("Bill", 5)])
    plane.marks.ended(REALM, failed={"Bill": "the page was poisoned"})
    failed_at = clock.now()
    clock.advance(900)
    plane.marks.committed(REALM, [part("Invoice", 1)])
    plane.marks.committed(REALM, [part("Bill", 1, watermark=None)])
    assert (mark(plane, "Bill").error, mark(plane, "Bill").failed_at) == (
        "the page was poisoned",
        failed_at,
    )
    assert mark(plane, "Invoice").error is None

    plane.marks.committed(REALM, [part("Bill", 0)])
    assert (mark(plane, "Bill").error, mark(plane, "Bill").failed_at) == (None, None)


def test_an_entity_may_fail_before_it_was_ever_loaded(plane: ControlPlane) -> None:
    plane.marks.ended(REALM, failed={"Bill": "x" * 2_000})
    found = mark(plane, "Bill")
    assert (found.rows, found.mode, found.last_sync_at) == (0, None, None)
    assert found.error == "x" * 500


def test_an_entity_without_rows_to_write_is_up_to_date_too(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.marks.ended(REALM, failed={"Budget": "later"})
    plane.marks.ended(REALM, current=["Budget"], counted={"Invoice": Counted(12, 1)})
    assert (mark(plane, "Budget").last_sync_at, mark(plane, "Budget").error) == (clock.now(), None)
    assert (mark(plane, "Invoice").rows, mark(plane, "Invoice").quarantined) == (12, 1)


def test_marks_made_anew_replace_what_was_counted_and_keep_what_failed(
    plane: ControlPlane,
) -> None:
    plane.marks.committed(REALM, [part("Invoice", 10)])
    plane.marks.ended(REALM, failed={"Invoice": "it was down"})
    newer = WATERMARK + timedelta(hours=1)
    plane.marks.rebuilt(
        REALM, [SyncMark("Invoice", newer, newer, newer, rows=8, mode=Mode.FULL, load_id="l2")]
    )
    found = mark(plane, "Invoice")
    assert (found.rows, found.watermark, found.mode, found.load_id) == (8, newer, Mode.FULL, "l2")
    assert found.error == "it was down"


def test_companies_and_environments_are_marked_apart(
    plane: ControlPlane, open_plane: OpenPlane
) -> None:
    plane.marks.committed(REALM, [part("Invoice", 1)])
    plane.marks.committed(OTHER, [part("Invoice", 2)])
    production = open_plane(clock=plane.clock, intuit_env=Environment.PRODUCTION)
    assert production.marks.read() == {}
    assert {realm: found["Invoice"].rows for realm, found in plane.marks.read().items()} == {
        REALM: 1,
        OTHER: 2,
    }
    plane.marks.forget(REALM)
    assert set(plane.marks.read()) == {OTHER}
