"""Types without a query, with bare dates, in other spellings, or in a few companies only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import ENTITIES, entity_type
from ledgerguard_pipeline.ingestion.plan import OVERLAP, plan_entities
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.payload import Origin, read_rows
from ledgerguard_pipeline.sandbox.answers import with_bare_date
from ledgerguard_pipeline.sandbox.process import SandboxServer
from ledgerguard_pipeline.sandbox.shelf import Row
from ledgerguard_pipeline.values import Mode, RealmId, Source, State
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)

ADJUSTMENT, CHARGE = entity_type("InventoryAdjustment"), entity_type("ReimburseCharge")
TEMPLATE = entity_type("RecurringTransaction")
OPTIONAL = [entity for entity in ENTITIES if entity.optional]
NOW = datetime(2026, 6, 10, 15, tzinfo=UTC)


def health(installation: Installation, sandbox: SandboxServer) -> tuple[str, ...]:
    standing = installation.standing(realm_of(sandbox))
    assert standing is not None
    return standing.health.texts


def test_adjustments_without_query_and_with_bare_dates_come_by_changes_and_by_id(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(no_query=["InventoryAdjustment"], day_times=["InventoryAdjustment"])
    ids = sorted(sandbox.truth("InventoryAdjustment").rows)
    for id in ids[:2]:
        sandbox.edit("update", "InventoryAdjustment", id)
    result = sync(connected)
    assert failures(result) == {}
    (only,) = [each for each in result.results if each.entity == "InventoryAdjustment"]
    assert "it has no query" in (only.note or "")
    assert only.quarantined == 0
    realm = realm_of(sandbox)
    held = stored(connected, ADJUSTMENT, realm)
    assert set(ids[:2]) <= set(held)
    truth = sandbox.truth("InventoryAdjustment").bodies()
    assert held == {id: with_bare_date(truth[id]) for id in held}
    assert b"CreateTime" not in held[ids[0]]

    sandbox.edit("update", "InventoryAdjustment", ids[1], note="again on the same day")
    sandbox.edit("delete", "InventoryAdjustment", ids[0])
    result = sync(connected)
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


def test_once_the_day_has_turned_all_of_the_day_before_is_read_again() -> None:
    def since(watermark: datetime) -> datetime | None:
        request = SyncRequest(RealmId("1"), (ADJUSTMENT,))
        (plan,) = plan_entities(request, {ADJUSTMENT.name: watermark}, NOW)
        return plan.since

    an_hour_ago, yesterday = NOW - timedelta(hours=1), NOW - timedelta(days=1)
    assert since(an_hour_ago) == an_hour_ago - OVERLAP
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
        shelf = sandbox.world.companies[sandbox.realm_id].shelves[entity.name]
        body = f'{{"Id":"7001","SyncToken":"0","DocNumber":null,{meta}}}'
        shelf.put(Row("7001", at, at, 0, active=True, body=body.encode()))
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox, OPTIONAL) == {}
    assert all(stored(connected, entity, realm_of(sandbox)) for entity in OPTIONAL)
