from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline_tests.sandbox.caller import NOW, Caller, Json, calling, tiny_company


@pytest.fixture
def caller() -> Iterator[Caller]:
    with calling(tiny_company(invoices=4), default_order="id") as ready:
        yield ready


def items_of(caller: Caller, *items: Json) -> dict[str, Json]:
    answer = caller.batch(*items)
    assert answer.status_code == 200
    return {item["bId"]: item for item in answer.json()["BatchItemResponse"]}


def query(id: str, statement: str) -> Json:
    return {"bId": id, "Query": statement}


def test_each_item_gets_its_own_answer_under_its_id(caller: Caller) -> None:
    found = items_of(
        caller,
        query("rows", "select * from Invoice where Id in ('2','3')"),
        query("count", "select count(*) from Invoice"),
        query("none", "select * from Bill"),
        {"bId": "cdc", "CDCQuery": {
            "Entities": "Invoice,Bill", "ChangedSince": write_time(NOW - 100_000 + 3)}},
    )  # fmt: skip
    assert [row["Id"] for row in found["rows"]["QueryResponse"]["Invoice"]] == ["2", "3"]
    assert found["count"]["QueryResponse"] == {"totalCount": 4}
    assert found["none"]["QueryResponse"] == {}
    invoices, bills = found["cdc"]["CDCResponse"][0]["QueryResponse"]
    assert [row["Id"] for row in invoices["Invoice"]] == ["3", "4"]
    assert bills == {}


def test_a_failing_item_leaves_the_others_alone(caller: Caller) -> None:
    found = items_of(
        caller,
        query("bad", "select * from Invoice where Nothing = '1'"),
        query("good", "select count(*) from Customer"),
        {"bId": "write", "operation": "create", "Vendor": {"DisplayName": "X"}},
        {"bId": "old", "CDCQuery": {"Entities": "Bill", "ChangedSince": "2020-01-01"}},
    )
    assert found["bad"]["Fault"]["Error"][0]["code"] == "4001"
    assert found["good"]["QueryResponse"]["totalCount"] == 2
    assert found["write"]["Fault"]["Error"][0]["code"] == "500"
    assert found["old"]["Fault"]["Error"][0]["code"] == "500"


def test_thirty_items_pass_and_thirty_one_are_refused(caller: Caller) -> None:
    many = [query(str(number), "select count(*) from Bill") for number in range(31)]
    assert len(items_of(caller, *many[:30])) == 30
    answer = caller.batch(*many)
    assert answer.status_code == 400
    assert answer.json()["Fault"]["Error"][0]["code"] == "1040"


def test_a_body_that_is_no_batch_is_refused(caller: Caller) -> None:
    answer = caller.http.post(
        f"{caller.server.base_url}/v3/company/{caller.realm}/batch",
        data=b"{not json",
        headers=caller.headers(),
        timeout=30,
    )
    assert answer.status_code == 400
    assert answer.json()["Fault"]["Error"][0]["code"] == "2010"


def test_a_poison_record_fails_only_the_item_that_meets_it(caller: Caller) -> None:
    caller.server.set(poison=[["Invoice", "2"]])
    found = items_of(
        caller,
        query("a", "select * from Invoice"),
        query("b", "select * from Invoice startposition 3"),
    )
    assert found["a"]["Fault"]["Error"][0]["code"] == "4002"
    assert len(found["b"]["QueryResponse"]["Invoice"]) == 2


def test_a_fault_can_be_injected_into_one_item(caller: Caller) -> None:
    caller.server.inject("throttle_json", endpoint="batch_item", entity="Bill")
    items = query("a", "select * from Invoice"), query("b", "select * from Bill")
    struck = items_of(caller, *items)
    assert "QueryResponse" in struck["a"]
    assert struck["b"]["Fault"]["Error"][0]["code"] == "3001"
    assert "QueryResponse" in items_of(caller, *items)["b"]


def test_items_may_be_answered_in_another_order(caller: Caller) -> None:
    caller.server.set(batch_order="reversed")
    answer = caller.batch(query("1", "select * from Bill"), query("2", "select * from Bill"))
    assert [item["bId"] for item in answer.json()["BatchItemResponse"]] == ["2", "1"]


def test_every_item_is_metered(caller: Caller) -> None:
    caller.server.reset_stats()
    items_of(caller, *(query(str(number), "select * from Bill") for number in range(7)))
    stats = caller.server.stats()
    assert stats["metered"] == {caller.realm: 7}
    assert stats["calls"] == {caller.realm: {"batch": 1}}
