"""Orders and envelopes as captured answers of 2019 to 2026 have them, and the older forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline_tests.sandbox.caller import NOW, Caller, calling, put

TOTALLED = ("Bill", "BillPayment", "Deposit", "Invoice", "JournalEntry", "PurchaseOrder")
NEVER = (
    "Account", "Customer", "Vendor", "Item", "CreditMemo", "Estimate", "Payment", "Purchase",
    "SalesReceipt", "Employee",
)  # fmt: skip


@pytest.fixture(scope="module")
def books() -> SandboxCompany:
    """Two objects of every type named here, touched in another order than they were made."""
    company = SandboxCompany("9130000000000003", "Captured", seed=1)
    for entity in (*TOTALLED, *NEVER, "VendorCredit"):
        if entity not in ("Invoice", "Customer"):
            put(company, entity, "1")
            put(company, entity, "2")
    for id, minutes in (("3", 5), ("1", 1), ("10", 3), ("2", 3)):
        put(company, "Invoice", id, created=NOW - 9000, updated=NOW - 600 + 60 * minutes)
    for id, name in (("5", "apple"), ("7", "Zoë"), ("6", "Zoo"), ("4", "5900 Costs")):
        put(company, "Customer", id, DisplayName=name, FullyQualifiedName=name, Active=True)
    put(company, "Bill", "3")
    company.tables["Bill"].bury("3", NOW - 30)
    return company


@pytest.fixture
def caller(books: SandboxCompany) -> Iterator[Caller]:
    with calling(books) as ready:
        yield ready


def test_transactions_come_newest_change_first_without_an_order(caller: Caller) -> None:
    assert caller.ids("select * from Invoice") == ["3", "2", "10", "1"]
    assert caller.ids("select * from Invoice where Id in ('1','10','3')") == ["3", "10", "1"]
    changed = f"where MetaData.LastUpdatedTime >= '{write_time(NOW - 500)}'"
    assert caller.ids(f"select * from Invoice {changed}") == ["3", "2", "10"]
    assert caller.ids("select * from Invoice startposition 2 maxresults 2") == ["2", "10"]
    caller.server.set(default_order="id")
    assert caller.ids("select * from Invoice") == ["1", "2", "3", "10"]


def test_lists_come_by_name_in_byte_order_without_an_order(caller: Caller) -> None:
    assert caller.ids("select * from Customer") == ["4", "6", "7", "5"]
    caller.server.set(default_order="id")
    assert caller.ids("select * from Customer") == ["4", "5", "6", "7"]


def test_paging_without_an_order_shifts_at_an_edit(caller: Caller, books: SandboxCompany) -> None:
    first = caller.ids("select * from Invoice maxresults 2")
    last = caller.ids("select * from Invoice startposition 4 maxresults 1")
    put(books, "Invoice", last[0], created=NOW - 9000, updated=NOW)
    try:
        assert caller.ids("select * from Invoice startposition 3 maxresults 2")[0] in first
    finally:
        put(books, "Invoice", last[0], created=NOW - 9000, updated=NOW - 540)


def test_total_count_stands_on_every_page_of_six_types_and_on_none_of_ten(caller: Caller) -> None:
    for entity in TOTALLED:
        page = caller.query(f"select * from {entity} maxresults 1").json()["QueryResponse"]
        assert page["totalCount"] == caller.count(f"select count(*) from {entity}"), entity
    for entity in NEVER:
        page = caller.query(f"select * from {entity}").json()["QueryResponse"]
        assert "totalCount" not in page, entity
    other = caller.query("select * from VendorCredit").json()["QueryResponse"]
    assert other["totalCount"] == 2
    caller.server.set(total_count="single")
    single = caller.query("select * from Customer").json()["QueryResponse"]
    assert single["totalCount"] == 4


def test_the_id_of_a_batch_item_stands_after_its_content(caller: Caller) -> None:
    good, bad = (
        {"bId": "g", "Query": "select * from VendorCredit"},
        {"bId": "b", "Query": "select * from Nothing"},
    )
    items = caller.batch(good, bad).json()["BatchItemResponse"]
    assert [list(item) for item in items] == [["QueryResponse", "bId"], ["Fault", "bId"]]
    caller.server.set(batch_id="before")
    items = caller.batch(good, bad).json()["BatchItemResponse"]
    assert [list(item) for item in items] == [["bId", "QueryResponse"], ["bId", "Fault"]]


def test_a_group_of_deletions_only_has_a_total_and_no_start(caller: Caller) -> None:
    def group() -> dict[str, object]:
        answer = caller.cdc("Bill", write_time(NOW - 60)).json()
        (only,) = answer["CDCResponse"][0]["QueryResponse"]
        return {key: value for key, value in only.items() if key != "Bill"}

    assert group() == {"maxResults": 1, "totalCount": 1}
    caller.server.set(tombstone_groups="paged")
    assert group() == {"startPosition": 1, "maxResults": 1}


@pytest.mark.parametrize(
    "form,pattern",
    [
        ("milliseconds", r".*T\d\d:\d\d:\d\d\.\d{3}-0\d:00"),
        ("seconds", r".*T\d\d:\d\d:\d\d-0\d:00"),
    ],
)
def test_the_time_of_an_answer_is_when_its_request_began(
    caller: Caller, form: str, pattern: str
) -> None:
    caller.server.set(envelope_time=form, latency_ms=60)
    answers = [
        caller.query("select * from Bill"),
        caller.query("select * from Nothing"),
        caller.get("bill/1"),
        caller.cdc("Bill", write_time(NOW)),
        caller.batch(),
    ]
    ends = [call.time for call in caller.server.pop_log()][-len(answers) :]
    for answer, end in zip(answers, ends, strict=True):
        text = answer.json()["time"]
        assert re.fullmatch(pattern, text)
        assert datetime.fromisoformat(text).timestamp() <= end - 0.059
