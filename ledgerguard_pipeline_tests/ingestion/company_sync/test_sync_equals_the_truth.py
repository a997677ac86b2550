"""After any sync Bronze equals the company's books byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import ENTITIES, entity_type, entity_types
from ledgerguard_pipeline.ingestion.request import Window
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.first_loads import Loaded
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    rewind,
    states,
    stored,
    sync,
)

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
TIME_ACTIVITY = entity_type("TimeActivity")


def test_a_first_load_brings_every_entity_in_few_calls(
    connected: Installation, sandbox: SandboxServer
) -> None:
    result = sync(connected)
    assert failures(result) == {}
    assert {each.entity for each in result.results} == {entity.name for entity in ENTITIES}
    assert {each.mode for each in result.results} == {Mode.FULL}
    assert differing(connected, sandbox) == {}
    assert result.api_calls <= 8
    assert [each.entity for each in result.results if each.complete is False] == []


def test_an_idle_sync_is_one_call_and_writes_nothing(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    sandbox.pop_log()
    result = sync(connected)
    assert result.api_calls == len(sandbox.pop_log()) == 1
    assert result.total_entities_written == 0
    assert differing(connected, sandbox) == {}


def test_an_idle_sync_of_captured_types_is_one_metered_call(
    connected: Installation, sandbox: SandboxServer
) -> None:
    captured = [entity for entity in ENTITIES if entity.cdc]
    sync(connected, captured)
    sandbox.pop_log()
    result = sync(connected, captured)
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc"]
    assert result.metered_calls == 1


@pytest.mark.parametrize(
    "kind, entity, state",
    [
        ("create", "Invoice", "active"),
        ("update", "Invoice", "active"),
        ("void", "Invoice", "voided"),
        ("void", "Transfer", "voided"),
        ("email", "Estimate", "active"),
        ("delete", "Invoice", "deleted"),
        ("create", "Payment", "active"),
        ("delete", "Payment", "deleted"),
        ("deactivate", "Customer", "inactive"),
        ("touch_balance", "Account", "active"),
        ("update", "TaxCode", "active"),
        ("create", "TimeActivity", "active"),
        ("delete", "TimeActivity", "deleted"),
        ("update", "CompanyInfo", "active"),
        ("update", "RecurringTransaction", "active"),
        ("update", "CreditCardPayment", "active"),
        ("delete", "Attachable", "deleted"),
    ],
)
def test_each_kind_of_edit_arrives_with_the_next_sync(
    connected: Installation, sandbox: SandboxServer, kind: str, entity: str, state: str
) -> None:
    watched = entity_types([entity, "Invoice", "Customer", "Account", "TimeActivity"])
    sync(connected, watched)
    done = sandbox.edit(kind, entity)
    assert failures(sync(connected, watched)) == {}
    assert differing(connected, sandbox, watched) == {}
    changed = str(done["id"])
    assert states(connected, entity_type(entity), realm_of(sandbox))[changed] == state


def test_a_merge_leaves_the_loser_merged_and_the_survivor_active(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    survivor, loser = sorted(stored(connected, CUSTOMER, realm_of(sandbox)))[:2]
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    assert failures(sync(connected)) == {}
    found = states(connected, CUSTOMER, realm_of(sandbox))
    assert (found[survivor], found[loser]) == ("active", "merged")
    assert differing(connected, sandbox) == {}


def test_more_changes_than_one_answer_holds_lose_no_deletion(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    victims = sorted(stored(connected, INVOICE, realm_of(sandbox)))[:3]
    for victim in victims:
        sandbox.edit("delete", "Invoice", victim)
    sandbox.edit("burst", "Invoice", n=1100)
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox) == {}
    assert {states(connected, INVOICE, realm_of(sandbox))[each] for each in victims} == {"deleted"}


def test_changes_that_are_deletions_only_move_the_watermark(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [INVOICE])
    rewind(connected, timedelta(hours=5))
    before = connected.bronze.watermarks(realm_of(sandbox))["Invoice"]
    gone = str(sandbox.edit("delete", "Invoice")["id"])
    (only,) = sync(connected, [INVOICE]).results
    assert (only.mode, only.written, only.deleted, only.error) == (Mode.CDC, 0, 1, None)
    assert states(connected, INVOICE, realm_of(sandbox))[gone] == "deleted"
    after = connected.bronze.watermarks(realm_of(sandbox))["Invoice"]
    assert after - before > timedelta(hours=4)


def test_running_again_changes_nothing(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    captured, queried = timedelta(days=20), timedelta(days=400)
    # Brings the tombstones of objects that were gone before the first load.
    sync(connected, since=datetime.now(UTC) - captured)
    before = connected.bronze.sql("SELECT count(*) FROM bronze.invoice")[1]
    assert sync(connected, full=True).total_entities_written == 0
    for reach in (captured, queried):
        again = sync(connected, since=datetime.now(UTC) - reach)
        assert sum(each.written + each.deleted for each in again.results) == 0
    assert connected.bronze.sql("SELECT count(*) FROM bronze.invoice")[1] == before
    assert differing(connected, sandbox) == {}


def test_a_forced_walk_finds_deletions_nobody_reported(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    long_ago = int((datetime.now(UTC) - timedelta(days=90)).timestamp())
    victim = min(stored(connected, INVOICE, realm_of(sandbox)))
    sandbox.edit("delete", "Invoice", victim, at=long_ago)
    sync(connected, [INVOICE], full=True)
    assert states(connected, INVOICE, realm_of(sandbox))[victim] == "deleted"
    assert differing(connected, sandbox, [INVOICE]) == {}


def test_a_company_asleep_for_more_than_thirty_days_catches_up(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    victims = sorted(stored(connected, INVOICE, realm_of(sandbox)))[:2]
    rewind(connected, timedelta(days=45))
    for victim in victims:
        sandbox.edit("delete", "Invoice", victim)
    sandbox.edit("update", "Customer")
    result = sync(connected)
    assert failures(result) == {}
    assert differing(connected, sandbox) == {}


def test_only_the_wanted_entities_are_touched(
    connected: Installation, sandbox: SandboxServer
) -> None:
    result = sync(connected, entity_types(["invoice", "Vendor"]))
    assert [each.entity for each in result.results] == ["Invoice", "Vendor"]
    assert set(connected.bronze.watermarks(realm_of(sandbox))) == {"Invoice", "Vendor"}


def test_a_late_since_does_not_move_the_watermark_over_the_gap(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [INVOICE])
    rewind(connected, timedelta(days=3))
    before = connected.bronze.watermarks(realm_of(sandbox))["Invoice"]
    sync(connected, [INVOICE], since=datetime.now(UTC) - timedelta(minutes=1))
    assert connected.bronze.watermarks(realm_of(sandbox))["Invoice"] == before


@pytest.mark.parametrize("reach", [timedelta(days=20), timedelta(days=400)])
@pytest.mark.parametrize("asked", ["since", "window"])
def test_a_long_look_back_does_not_pass_over_deletions_since_the_last_sync(
    connected: Installation, sandbox: SandboxServer, reach: timedelta, asked: str
) -> None:
    sync(connected, [INVOICE])
    rewind(connected, timedelta(hours=3))
    victim = min(stored(connected, INVOICE, realm_of(sandbox)))
    earlier = datetime.now(UTC) - timedelta(hours=2)
    sandbox.edit("delete", "Invoice", victim, at=int(earlier.timestamp()))
    start = datetime.now(UTC) - reach
    again = sync(
        connected,
        [INVOICE],
        since=start if asked == "since" else None,
        window=Window(start, None) if asked == "window" else None,
    )
    assert failures(again) == {}
    sync(connected, [INVOICE])
    assert states(connected, INVOICE, realm_of(sandbox))[victim] == "deleted"


def test_an_old_window_heals_its_span_and_moves_no_watermark(
    connected: Installation, sandbox: SandboxServer
) -> None:
    end = datetime.now(UTC) - timedelta(days=200)
    result = sync(connected, [INVOICE], window=Window(None, end))
    (only,) = result.results
    assert 0 < only.written < len(sandbox.truth("Invoice").rows)
    assert connected.bronze.watermarks(realm_of(sandbox)) == {}
    sync(connected, [INVOICE])
    assert differing(connected, sandbox, [INVOICE]) == {}


def test_every_row_names_its_call_its_load_and_its_run(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [CUSTOMER], run_id="run-1")
    _, rows = connected.bronze.sql(
        "SELECT DISTINCT request_id, load_id, run_id, source FROM bronze.customer"
    )
    assert rows
    assert all(all(row) for row in rows)
    tids = {call.tid for call in sandbox.pop_log()}
    assert {row[0] for row in rows} <= tids
