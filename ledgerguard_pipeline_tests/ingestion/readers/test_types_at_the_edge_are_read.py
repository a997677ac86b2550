"""Types without a query, with bare dates, in other spellings, or in a few companies only."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import ENTITIES, entity_type, entity_types
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, OVERLAP, EntityPlan, plan_entities
from ledgerguard_pipeline.ingestion.queries.cdc import EntityChanges
from ledgerguard_pipeline.ingestion.readers.shared_changes import SharedChanges
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.answers.payload import Origin, read_rows
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.header import with_both_times
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode, RealmId, Source, State
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    rewind,
    states,
    stored,
    sync,
)

ADJUSTMENT, CHARGE = entity_type("InventoryAdjustment"), entity_type("ReimburseCharge")
INVOICE, BUDGET = entity_type("Invoice"), entity_type("Budget")
TEMPLATE = entity_type("RecurringTransaction")
OPTIONAL = [entity for entity in ENTITIES if entity.optional]
NOW = datetime(2026, 6, 10, 15, tzinfo=UTC)


def health(installation: Installation, sandbox: SandboxServer) -> tuple[str, ...]:
    company_status = installation.company_status(realm_of(sandbox))
    assert company_status is not None
    return company_status.health.texts


def test_adjustments_without_query_and_with_bare_dates_come_by_changes_and_by_id(
    connected: Installation, sandbox: SandboxServer
) -> None:
    ids = sorted(sandbox.truth("InventoryAdjustment").rows)
    result = sync(connected)
    assert failures(result) == {}
    (only,) = [each for each in result.results if each.entity == "InventoryAdjustment"]
    assert "it has no query" in (only.note or "")
    assert only.quarantined == 0
    realm = realm_of(sandbox)
    held = stored(connected, ADJUSTMENT, realm)
    assert held == sandbox.truth("InventoryAdjustment").bodies()
    assert sorted(held) == ids
    assert b"CreateTime" not in held[ids[0]]

    sandbox.edit("update", "InventoryAdjustment", ids[1], note="again on the same day")
    sandbox.edit("delete", "InventoryAdjustment", ids[0])
    sandbox.pop_log()
    result = sync(connected)
    endpoints = [call.endpoint for call in sandbox.pop_log() if call.status != 200]
    assert endpoints == ["read"], "a query that was refused is not tried again"
    assert failures(result) == {}
    assert {each.mode for each in result.results if each.entity == ADJUSTMENT.name} == {Mode.CDC}
    assert states(connected, ADJUSTMENT, realm)[ids[0]] == "deleted"
    assert b"again on the same day" in stored(connected, ADJUSTMENT, realm)[ids[1]]

    long_ago = int((datetime.now(UTC) - timedelta(days=90)).timestamp())
    sandbox.edit("delete", "InventoryAdjustment", ids[1], at=long_ago)
    assert failures(sync(connected, [ADJUSTMENT], full=True)) == {}
    assert states(connected, ADJUSTMENT, realm)[ids[1]] == "deleted"
    assert failures(sync(connected, reconcile=True)) == {}
    assert health(connected, sandbox) == ()


def test_a_walk_finds_names_that_moved_in_adjustments_without_a_version(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    assert failures(sync(connected, [ADJUSTMENT])) == {}
    body = json.loads(max(sandbox.truth("InventoryAdjustment").bodies().items())[1])
    item = body["Line"][0]["ItemAdjustmentLineDetail"]["ItemRef"]["value"]
    sandbox.edit("rename", "Item", item, note="Another name")
    assert stored(connected, ADJUSTMENT, realm) != sandbox.truth("InventoryAdjustment").bodies()

    result = sync(connected, [ADJUSTMENT], full=True)
    assert failures(result) == {}
    assert stored(connected, ADJUSTMENT, realm) == sandbox.truth("InventoryAdjustment").bodies()
    (only,) = result.results
    assert only.renamed >= 1
    (again,) = sync(connected, [ADJUSTMENT], full=True).results
    assert (again.written, again.updated, again.renamed) == (0, 0, 0)


def test_adjustments_of_the_older_form_are_read_like_other_types(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(no_query=[], full_times=["InventoryAdjustment"])
    assert failures(sync(connected, [ADJUSTMENT, INVOICE])) == {}
    table = sandbox.world.companies[sandbox.realm_id].tables["InventoryAdjustment"]
    rows = {
        row.id: with_both_times(table.body(row), row.created, row.updated)
        for row in table.rows.values()
    }
    assert stored(connected, ADJUSTMENT, realm_of(sandbox)) == rows
    assert all(b"CreateTime" in body for body in rows.values())


def test_a_change_that_counts_from_the_start_of_its_day_comes_within_the_hour(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(cdc_by_day=True)
    assert failures(sync(connected, [ADJUSTMENT, INVOICE])) == {}
    (id, *_) = sorted(sandbox.truth("InventoryAdjustment").rows)
    sandbox.edit("update", "InventoryAdjustment", id, note="counted once more")
    rewind(connected, timedelta(hours=1, minutes=1))
    assert failures(sync(connected, [ADJUSTMENT, INVOICE])) == {}
    assert b"counted once more" in stored(connected, ADJUSTMENT, realm_of(sandbox))[id]


def outcomes(
    installation: Installation, sandbox: SandboxServer, since: datetime, day: datetime
) -> tuple[dict[str, int], list[str]]:
    """Objects reported per type by one shared call that reads adjustments since ``day``, and its calls."""
    plans = [
        EntityPlan(ADJUSTMENT, Mode.CDC, since=day, whole_day=True),
        EntityPlan(INVOICE, Mode.CDC, since=since),
    ]
    sandbox.pop_log()
    client = installation.client(realm_of(sandbox))
    with ThreadPoolExecutor(1) as pool:
        shared = SharedChanges(client, plans, pool)
        shared.begin()
        reported = {name: future.result() for name, future in shared.changes.items()}
    counts = {
        name: len(each.records) if isinstance(each, EntityChanges) else -1
        for name, each in reported.items()
    }
    return counts, [call.target for call in sandbox.pop_log() if call.endpoint == "cdc"]


def test_adjustments_since_the_start_of_the_day_come_with_the_shared_call_if_the_day_fits(
    connected: Installation, sandbox: SandboxServer
) -> None:
    now = datetime.now(UTC)
    (id, *_) = sorted(sandbox.truth("InventoryAdjustment").rows)
    sandbox.edit("update", "InventoryAdjustment", id, at=int(now.timestamp()) - 18_000)
    recent, day = now - timedelta(minutes=1), now - timedelta(hours=6)
    counts, calls = outcomes(connected, sandbox, recent, day)
    assert counts["InventoryAdjustment"] == 1
    assert len(calls) == 1

    table = sandbox.world.companies[sandbox.realm_id].tables["Invoice"]
    (row, *_) = table.rows.values()
    early, body = int(now.timestamp()) - 7_200, table.body(row)
    for number in range(1000):
        other = str(7_000_000 + number)
        copied = body.replace(f'"Id":"{row.id}"'.encode(), f'"Id":"{other}"'.encode(), 1)
        table.put(Row(other, early, early, 0, active=True, body=copied))
    counts, calls = outcomes(connected, sandbox, recent, day)
    assert counts == {"InventoryAdjustment": 1, "Invoice": 0}
    assert calls[1:] == ["Invoice", "InventoryAdjustment"]
    assert len(calls) == 3


def test_the_first_sync_of_an_hour_reads_from_the_start_of_the_pacific_day() -> None:
    def plan(watermark: datetime) -> tuple[datetime | None, bool]:
        request = SyncRequest(RealmId("1"), (ADJUSTMENT,))
        (only,) = plan_entities(request, {ADJUSTMENT.name: watermark}, NOW)
        return only.since, only.whole_day

    this_hour, last_hour = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
    assert plan(this_hour) == (this_hour - OVERLAP, False)
    assert plan(last_hour) == (datetime(2026, 6, 10, 7, tzinfo=UTC), True)


def test_once_the_day_has_turned_all_of_the_day_before_is_read_again() -> None:
    def since(watermark: datetime) -> datetime | None:
        request = SyncRequest(RealmId("1"), (ADJUSTMENT,))
        (plan,) = plan_entities(request, {ADJUSTMENT.name: watermark}, NOW)
        return plan.since

    yesterday = NOW - timedelta(days=1)
    assert since(yesterday) == datetime(2026, 6, 8, tzinfo=UTC)


def test_a_bare_date_is_the_start_of_its_day() -> None:
    row = b'[{"Id":"1","SyncToken":"0","MetaData":{"LastUpdatedTime":"2024-05-07"}}]'
    rows = read_rows(row, ADJUSTMENT, Origin(Source.CDC, None, NOW))
    (record,) = rows.records
    assert (record.last_updated_at, record.created_at) == (datetime(2024, 5, 7, tzinfo=UTC), None)
    assert rows.rejects == []


def test_a_deleted_template_has_its_status_outside_of_what_it_wraps() -> None:
    row = b'[{"status":"Deleted","domain":"QBO","Invoice":{"Id":"1483"}}]'
    rows = read_rows(row, TEMPLATE, Origin(Source.CDC, None, NOW))
    (gone,) = rows.tombstones
    assert (gone.id, gone.state, rows.records) == ("1483", State.DELETED, [])


@pytest.mark.parametrize("form", ["plain", "wrapped"])
def test_templates_that_were_deleted_are_gone_in_whatever_form_that_is_reported(
    connected: Installation, sandbox: SandboxServer, form: str
) -> None:
    sandbox.set(template_tombstones=form)
    assert failures(sync(connected, [TEMPLATE])) == {}
    gone = [str(sandbox.edit("delete", TEMPLATE.name)["id"]) for _ in range(2)]
    (result,) = sync(connected, [TEMPLATE]).results
    assert (result.error, result.quarantined, result.deleted) == (None, 0, 2)
    found = states(connected, TEMPLATE, realm_of(sandbox))
    assert {found[id] for id in gone} == {"deleted"}
    assert differing(connected, sandbox, [TEMPLATE]) == {}


def test_what_vanishes_from_a_list_that_nobody_can_merge_is_deleted(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert failures(sync(connected, [BUDGET])) == {}
    (id, *_) = sorted(sandbox.truth("Budget").rows)
    company = sandbox.world.companies[sandbox.realm_id]
    with company.lock:
        company.tables["Budget"].bury(id, int(datetime.now(UTC).timestamp()))
    assert failures(sync(connected, [BUDGET])) == {}
    assert states(connected, BUDGET, realm_of(sandbox))[id] == "deleted"


def test_both_spellings_of_reimburse_charge_are_read(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(misspelt_reimburse_charge=True)
    assert failures(sync(connected, [CHARGE], full=True)) == {}
    sandbox.edit("update", "ReimburseCharge")
    assert failures(sync(connected, [CHARGE])) == {}
    assert differing(connected, sandbox, [CHARGE]) == {}
    assert stored(connected, CHARGE, realm_of(sandbox))


def test_types_of_a_few_companies_are_named() -> None:
    assert {entity.name for entity in OPTIONAL} == {
        "ChangeOrder",
        "JournalCode",
        "TaxPayment",
        "TaxClassification",
    }


@pytest.mark.parametrize("refused", ["no_query", "not_offered"])
def test_types_of_a_few_companies_are_off_elsewhere(
    connected: Installation, sandbox: SandboxServer, refused: str
) -> None:
    names = [entity.name for entity in OPTIONAL]
    sandbox.set(**{refused: names})
    result = sync(connected)
    assert failures(result) == {}
    assert {each.entity for each in result.results if each.note} >= set(names)
    assert health(connected, sandbox) == ()
    sandbox.pop_log()
    assert failures(sync(connected)) == {}
    calls = sandbox.pop_log()
    assert len(calls) == 1
    assert not any(name in call.target for call in calls for name in names)
    assert failures(sync(connected, reconcile=True)) == {}
    assert health(connected, sandbox) == ()


def test_types_of_a_few_companies_are_read_where_they_are_offered(
    connected: Installation, sandbox: SandboxServer
) -> None:
    at = int(datetime.now(UTC).timestamp()) - 3600
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    meta = f'"MetaData":{{"CreateTime":"{moment}","LastUpdatedTime":"{moment}"}}'
    for entity in OPTIONAL:
        table = sandbox.world.companies[sandbox.realm_id].tables[entity.name]
        body = f'{{"Id":"7001","SyncToken":"0","DocNumber":null,{meta}}}'
        table.put(Row("7001", at, at, 0, active=True, body=body.encode()))
    assert failures(sync(connected, [*OPTIONAL, INVOICE])) == {}
    assert differing(connected, sandbox, OPTIONAL) == {}
    assert all(stored(connected, entity, realm_of(sandbox)) for entity in OPTIONAL)


def test_any_type_may_have_no_query(connected: Installation, sandbox: SandboxServer) -> None:
    without = entity_types(["Bill", "Vendor", "InventoryAdjustment"])
    sandbox.set(no_query=[entity.name for entity in without])
    result = sync(connected)
    assert failures(result) == {}
    notes = {each.entity: each.note or "" for each in result.results}
    assert all("it has no query" in notes[entity.name] for entity in without)
    realm, recent = realm_of(sandbox), datetime.now(UTC) - CDC_REACH
    for entity in without:
        table = sandbox.world.companies[sandbox.realm_id].tables[entity.name]
        changed = {row.id for row in table.rows.values() if row.updated > recent.timestamp()}
        assert stored(connected, entity, realm).keys() == changed
    id = sandbox.edit("create", "Vendor")["id"]
    sandbox.edit("update", "Bill", note="paid in person")
    sandbox.pop_log()
    assert failures(sync(connected)) == {}
    assert id in stored(connected, entity_type("Vendor"), realm)
    bills = stored(connected, entity_type("Bill"), realm).values()
    assert any(b"paid in person" in body for body in bills)
    sync(connected)
    sandbox.pop_log()
    assert failures(sync(connected)) == {}
    assert len(sandbox.pop_log()) == 1
    assert failures(sync(connected, reconcile=True)) == {}
    assert health(connected, sandbox) == ()


def test_a_type_with_neither_query_nor_changes_is_not_offered(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(no_query=["TaxRate", "Class"], cdc_refuses=["Class"])
    results = [sync(connected) for _ in range(3)]
    assert [failures(result) for result in results] == [{}, {}, {}]
    notes = {each.entity: each.note or "" for each in results[-1].results}
    assert notes["TaxRate"] == notes["Class"] == "this company's edition has no such objects"
    assert health(connected, sandbox) == ()


def test_a_record_that_cannot_be_shown_hides_only_what_changed_before_it(
    connected: Installation, sandbox: SandboxServer
) -> None:
    types = [ADJUSTMENT, INVOICE]
    assert failures(sync(connected, types)) == {}
    rewind(connected, timedelta(days=3))
    poisoned, early, late = sorted(sandbox.truth(ADJUSTMENT.name).rows)[:3]
    now = int(datetime.now(UTC).timestamp())
    sandbox.set(full_times=[ADJUSTMENT.name])
    for id, age in ((early, 170_000), (poisoned, 86_400), (late, 3_600)):
        sandbox.edit("update", ADJUSTMENT.name, id, at=now - age, note=f"recounted {age}")
    sandbox.set(poison=[[ADJUSTMENT.name, poisoned]])
    failed = failures(sync(connected, types))
    assert failed.keys() == {ADJUSTMENT.name}
    reason = failed[ADJUSTMENT.name] or ""
    assert "cannot show one InventoryAdjustment object that changed between" in reason
    assert "serves no query" not in reason
    realm = realm_of(sandbox)
    held = stored(connected, ADJUSTMENT, realm)
    assert b"recounted 3600" in held[late]
    assert b"recounted" not in held[early]
    assert any("cannot show one" in text for text in health(connected, sandbox))

    sandbox.set(poison=[])
    assert failures(sync(connected, types)) == {}
    held = stored(connected, ADJUSTMENT, realm)
    assert b"recounted 170000" in held[early]
    assert b"recounted 86400" in held[poisoned]
    assert not any("cannot show one" in text for text in health(connected, sandbox))
