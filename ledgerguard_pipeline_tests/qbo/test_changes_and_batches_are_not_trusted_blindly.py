"""What one call says about many types is sorted by type, and its gaps are seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.errors import (
    BadInputError,
    ChangesTooOld,
    FeatureUnavailable,
    PoisonPage,
    QBOAPIError,
    ServiceUnavailable,
    Throttled,
)
from ledgerguard_pipeline.ingestion.queries.cdc import EntityChanges, NotByChanges, read_changes
from ledgerguard_pipeline.qbo.answers.cdc import Changes
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries import read_requests
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Source, State
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, reply

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
BILL, ITEM = entity_type("Bill"), entity_type("Item")
TIME = "2026-11-22T01:00:00.123-08:00"
POISON = {"type": "ValidationFault", "Error": [{"Message": "Error processing", "code": "4002"}]}
LACKING = {"type": "ValidationFault", "Error": [{"Message": "Not supported", "code": "5030"}]}


def grave(id: str) -> dict[str, object]:
    return {"domain": "QBO", "status": "Deleted", "Id": id,
            "MetaData": {"LastUpdatedTime": "2026-11-21T12:55:50-08:00"}}  # fmt: skip


def changed(*groups: dict[str, object]) -> dict[str, object]:
    return {"CDCResponse": [{"QueryResponse": list(groups)}], "time": TIME}


@pytest.fixture
def since(clock: DrivenClock) -> datetime:
    return clock.now() - timedelta(days=2)


def test_changes_come_sorted_by_type_with_their_tombstones(
    client: QBOClient, script: Script, since: datetime
) -> None:
    script.then(
        reply(changed(
            {"Invoice": [{"Id": "1"}, grave("9")], "startPosition": 1, "maxResults": 2},
            {"Customer": [{"Id": "7", "Active": False}], "totalCount": 99},
        ))
    )  # fmt: skip

    changes = client.changes([INVOICE, CUSTOMER, BILL], since)

    (request,) = script.requests
    assert request.params == {
        "entities": "Invoice,Customer,Bill", "changedSince": "2026-11-20T12:00:00Z",
    }  # fmt: skip
    assert [record.id for record in changes.groups["Invoice"].records] == ["1"]
    assert changes.groups["Invoice"].records[0].source is Source.CDC
    assert [record.id for record in changes.groups["Invoice"].tombstones] == ["9"]
    assert changes.groups["Customer"].records[0].state is State.INACTIVE
    assert changes.groups["Bill"].rows == 0
    assert changes.groups["Bill"].fault is None
    assert changes.time == datetime(2026, 11, 22, 9, 0, 0, 123_000, tzinfo=UTC)
    assert not changes.capped


def test_an_answer_with_nothing_but_a_time_is_nothing_changed(
    client: QBOClient, script: Script, since: datetime
) -> None:
    script.then(reply(changed({})), reply({"CDCResponse": [], "time": TIME}))

    assert client.changes([INVOICE, CUSTOMER], since).groups["Customer"].rows == 0
    assert client.changes([INVOICE, CUSTOMER], since).groups["Invoice"].rows == 0


@pytest.mark.parametrize("rows, capped", [(999, False), (1000, True), (1001, True)])
def test_a_thousand_objects_may_be_a_cut_answer(
    rows: int, capped: bool, client: QBOClient, script: Script, since: datetime
) -> None:
    half = [{"Id": str(n)} for n in range(rows // 2)]
    rest = [grave(str(n)) for n in range(rows - len(half))]
    script.then(reply(changed({"Invoice": half}, {"Customer": rest})))

    assert client.changes([INVOICE, CUSTOMER], since).capped is capped


@pytest.mark.parametrize("position", [0, 1])
def test_a_fault_belongs_to_the_one_type_without_changes_wherever_it_stands(
    position: int, client: QBOClient, script: Script, since: datetime
) -> None:
    parts: list[dict[str, object]] = [{"Invoice": [{"Id": "1"}]}]
    parts.insert(position, {"Fault": POISON})
    script.then(reply(changed(*parts)))

    changes = client.changes([INVOICE, CUSTOMER], since)

    assert changes.groups["Invoice"].fault is None
    assert isinstance(changes.groups["Customer"].fault, PoisonPage)
    assert changes.groups["Customer"].fault.entity == "Customer"


@pytest.mark.parametrize("silent", [[], [{}]])
def test_a_fault_names_no_type_so_every_silent_one_is_suspect(
    silent: list[dict[str, object]], client: QBOClient, script: Script, since: datetime
) -> None:
    script.then(reply(changed({"Invoice": [{"Id": "1"}]}, {"Fault": POISON}, *silent)))

    changes = client.changes([INVOICE, CUSTOMER, BILL], since)

    assert changes.groups["Invoice"].fault is None
    assert isinstance(changes.groups["Customer"].fault, PoisonPage)
    assert isinstance(changes.groups["Bill"].fault, PoisonPage)


def test_rows_of_a_type_nobody_asked_for_make_the_answer_unreadable(
    client: QBOClient, script: Script, since: datetime
) -> None:
    script.then(reply(changed({"Bill": [{"Id": "1"}]})), reply(changed({})))

    client.changes([INVOICE], since)

    assert len(script.requests) == 2


def test_what_changes_cannot_cover_is_refused_before_any_call(
    client: QBOClient, script: Script, since: datetime, clock: DrivenClock
) -> None:
    with pytest.raises(BadInputError, match="TimeActivity, TaxRate"):
        client.changes([INVOICE, entity_type("TimeActivity"), entity_type("TaxRate")], since)
    with pytest.raises(BadInputError):
        client.changes([], since)
    with pytest.raises(ChangesTooOld):
        client.changes([INVOICE], clock.now() - timedelta(days=31))
    assert script.requests == []


def test_intuits_own_word_on_the_30_days_is_understood(
    client: QBOClient, script: Script, since: datetime
) -> None:
    detail = "Operation cdc with changedSince date x which is older than fixed days"
    fault = {"Error": [{"Message": "Unsupported Operation", "Detail": detail, "code": "500"}]}
    script.then(reply({"Fault": fault, "time": TIME}, 400))

    with pytest.raises(ChangesTooOld):
        client.changes([INVOICE], since)


def test_batch_items_are_matched_by_their_id_and_fail_alone(
    client: QBOClient, script: Script
) -> None:
    client.custom_fields.wanted = "first-three"
    script.then(
        reply({"BatchItemResponse": [
            {"bId": "q3", "QueryResponse": {"Item": [{"Id": "4"}]}},
            {"bId": "q1", "Fault": POISON},
            {"bId": "q0", "QueryResponse": {"Invoice": [{"Id": "1"}, {"Id": 2}]}},
            {"bId": "stranger", "QueryResponse": {}},
        ], "time": TIME})
    )  # fmt: skip

    types = [INVOICE, CUSTOMER, BILL, ITEM]
    invoices, customers, bills, items = client.query_batch(
        [(entity, Query.select(entity)) for entity in types]
    )

    assert isinstance(invoices, Page)
    assert (len(invoices.records), len(invoices.rejects), invoices.rows) == (1, 1, 2)
    assert isinstance(customers, PoisonPage)
    assert customers.entity == "Customer"
    assert isinstance(bills, ServiceUnavailable)
    assert bills.entity == "Bill"
    assert isinstance(items, Page)
    assert items.time == datetime(2026, 11, 22, 9, 0, 0, 123_000, tzinfo=UTC)
    assert client.stats.snapshot().metered_calls == 4
    assert client.stats.snapshot().http_calls == 1


@pytest.mark.parametrize(
    "types,label", [([INVOICE, INVOICE], "Invoice"), ([INVOICE, ITEM], "2 types")]
)
def test_a_batch_is_logged_by_what_it_asks_for(types: list[EntityType], label: str) -> None:
    assert read_requests.batch([Query.select(each) for each in types]).entity == label


def test_a_token_refused_inside_a_batch_is_renewed_and_the_batch_repeated(
    client: QBOClient, script: Script
) -> None:
    refused = {"type": "AUTHENTICATION", "Error": [{"Message": "AuthenticationFailed",
                                                    "code": "3200"}]}  # fmt: skip
    script.then(
        reply({"BatchItemResponse": [{"bId": "q0", "Fault": refused}], "time": TIME}),
        reply({"access_token": "access-token-2"}),
        reply({"BatchItemResponse": [{"bId": "q0", "QueryResponse": {}}], "time": TIME}),
    )

    (page,) = client.query_batch([(INVOICE, Query.select(INVOICE))])

    assert isinstance(page, Page)
    assert script.requests[2].headers["authorization"] == "Bearer access-token-2"


STALE = {"type": "AUTHENTICATION", "Error": [{"Message": "AuthenticationFailed", "code": "3200"}]}
THROTTLED = {"type": "SERVICE", "Error": [{"Message": "ThrottleExceeded", "code": "3001"}]}


def batched(*groups: dict[str, object]) -> dict[str, object]:
    inner = {"CDCResponse": [{"QueryResponse": list(groups)}]}
    count = {"bId": "q0", "QueryResponse": {"totalCount": 1}}
    return {"BatchItemResponse": [count, {"bId": "changes", **inner}], "time": TIME}


def ask_for_changes(client: QBOClient, since: datetime, *, in_batch: bool) -> Changes:
    if not in_batch:
        return client.changes([INVOICE, CUSTOMER], since)
    counts = [(CUSTOMER, Query.count(CUSTOMER))]
    found = client.batch_with_changes(counts, [INVOICE, CUSTOMER], since).changes
    assert isinstance(found, Changes)
    return found


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_token_refused_for_one_types_changes_is_renewed_and_all_asked_again(
    in_batch: bool, client: QBOClient, script: Script, since: datetime
) -> None:
    answer = batched if in_batch else changed
    script.then(
        reply(answer({"Invoice": [{"Id": "1"}]}, {"Fault": STALE})),
        reply({"access_token": "access-token-2"}),
        reply(answer({"Invoice": [{"Id": "1"}]}, {"Customer": [{"Id": "7"}]})),
    )

    changes = ask_for_changes(client, since, in_batch=in_batch)

    assert changes.faults == []
    assert [record.id for record in changes.groups["Customer"].records] == ["7"]
    assert script.requests[2].headers["authorization"] == "Bearer access-token-2"


FAILING: object = {
    "type": "SystemFault",
    "Error": [{"Message": "System Failure Error", "code": "10000"}],
}


@pytest.mark.parametrize("names", [[INVOICE, CUSTOMER], [CUSTOMER]])
def test_a_failure_in_one_types_changes_that_does_not_pass_is_a_records(
    names: list[EntityType], client: QBOClient, script: Script, since: datetime
) -> None:
    groups: dict[str, dict[str, object]] = {"Invoice": {}, "Customer": {"Fault": FAILING}}
    script.default = lambda request: reply(
        changed(*(groups[name] for name in request.params["entities"].split(",")))
    )

    outcome = read_changes(client, names, since)["Customer"]

    assert isinstance(outcome, NotByChanges)
    assert outcome.passing, "a query finds the record and shows the others"
    assert isinstance(outcome.fault, PoisonPage)


def test_a_failure_in_the_changes_of_a_batch_is_asked_about_alone(
    client: QBOClient, script: Script, since: datetime
) -> None:
    script.then(reply(batched({"Fault": FAILING}))).then(
        reply(changed({"Fault": FAILING})), reply(changed({"Customer": [grave("9")]}))
    )
    counts = [(CUSTOMER, Query.count(CUSTOMER))]
    first = client.batch_with_changes(counts, [CUSTOMER], since).changes
    assert isinstance(first, Changes)
    gone = {"Fault": {"type": "ValidationFault", "Error": [{"Message": "gone", "code": "610"}]}}
    script.then(reply(gone, 400))

    outcome = read_changes(client, [CUSTOMER], since, first)["Customer"]

    assert isinstance(outcome, EntityChanges)
    assert [record.id for record in outcome.records] == ["9"]


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_limit_hit_by_one_types_changes_rests_the_company(
    in_batch: bool, client: QBOClient, script: Script, since: datetime, clock: DrivenClock
) -> None:
    answer = batched if in_batch else changed
    script.then(reply(answer({}, {"Fault": THROTTLED})), reply(changed({}, {})))

    changes = ask_for_changes(client, since, in_batch=in_batch)
    assert isinstance(changes.groups["Customer"].fault, Throttled)
    before = clock.monotonic()
    client.changes([CUSTOMER], since)

    assert clock.monotonic() - before >= 59


@pytest.mark.parametrize("status", [400, 200])
def test_a_parameter_that_is_refused_with_any_status_is_left_out(
    status: int, client: QBOClient, script: Script
) -> None:
    unsupported = {"Message": "Request has invalid or unsupported property", "code": "2010"}
    fault = {"Fault": {"type": "ValidationFault", "Error": [unsupported]}, "time": TIME}
    rows = {"QueryResponse": {"Invoice": [{"Id": "1"}]}, "time": TIME}
    script.then(reply(fault, status), reply(rows), reply(rows))

    for _ in range(2):
        assert client.query_page(INVOICE, Query.select(INVOICE)).rows == 1

    assert ["include" in request.params for request in script.requests] == [True, False, False]


def test_counts_name_what_could_not_be_counted(client: QBOClient, script: Script) -> None:
    script.then(
        reply({"BatchItemResponse": [
            {"bId": "q0", "QueryResponse": {"totalCount": 26}},
            {"bId": "q1", "Fault": LACKING},
            {"bId": "q2", "QueryResponse": {}},
        ], "time": TIME})
    )  # fmt: skip

    counts = client.count_batch([INVOICE, CUSTOMER, BILL, entity_type("Preferences")])

    assert counts["Invoice"] == 26
    assert isinstance(counts["Customer"], FeatureUnavailable)
    assert isinstance(counts["Bill"], ServiceUnavailable)
    assert "Preferences" not in counts
    assert counts.time == datetime(2026, 11, 22, 9, 0, 0, 123_000, tzinfo=UTC)


def test_counting_everything_takes_calls_of_25(client: QBOClient, script: Script) -> None:
    script.default = lambda _request: reply({"BatchItemResponse": [], "time": TIME})

    counts = client.count_batch(ENTITIES)

    countable = [entity.name for entity in ENTITIES if entity.countable]
    assert list(counts) == countable
    assert all(isinstance(count, QBOAPIError) for count in counts.values())
    assert len(script.requests) == -(-len(countable) // 25)


def test_a_batch_that_is_too_big_or_empty_is_refused(client: QBOClient, script: Script) -> None:
    with pytest.raises(BadInputError):
        client.query_batch([(INVOICE, Query.select(INVOICE))] * 26)
    with pytest.raises(BadInputError):
        client.query_batch([])
    with pytest.raises(BadInputError):
        client.query_batch([(CUSTOMER, Query.select(INVOICE))])
    with pytest.raises(BadInputError):
        client.query_page(INVOICE, Query.count(INVOICE))
    with pytest.raises(BadInputError):
        client.count_entities("CompanyInfo")
    assert script.requests == []
