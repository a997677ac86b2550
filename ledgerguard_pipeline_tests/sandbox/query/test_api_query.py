from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline_tests.sandbox.caller import NOW, Caller, calling, put, tiny_company


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling(tiny_company(invoices=1203), default_order="id") as ready:
        yield ready


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def test_a_page_holds_100_rows_unless_more_are_asked_for(caller: Caller) -> None:
    assert caller.ids("select * from Invoice") == numbers(1, 100)


def test_more_than_1000_rows_are_silently_cut_to_1000(caller: Caller) -> None:
    assert caller.ids("select * from Invoice maxresults 5000") == numbers(1, 1000)


def test_pages_follow_one_another_and_end_short(caller: Caller) -> None:
    assert caller.ids("select * from Invoice startposition 1001 maxresults 1000") == numbers(
        1001, 1203
    )


def test_past_the_end_the_answer_has_neither_rows_nor_counts(caller: Caller) -> None:
    answer = caller.query("select * from Invoice startposition 1204").json()
    assert answer["QueryResponse"] == {}


def test_max_results_in_an_answer_counts_the_rows_returned(caller: Caller) -> None:
    found = caller.query("select * from Invoice startposition 1201 maxresults 50").json()
    assert found["QueryResponse"]["startPosition"] == 1201
    assert found["QueryResponse"]["maxResults"] == 3


@pytest.mark.parametrize(
    "mode,statement,present",
    [
        ("single", "select * from Customer", True),
        ("single", "select * from Invoice", False),
        ("always", "select * from Invoice", True),
        ("never", "select * from Customer", False),
    ],
)
def test_total_count_comes_and_goes_as_the_switch_says(
    caller: Caller, mode: str, statement: str, present: bool
) -> None:
    caller.server.set(total_count=mode)
    try:
        assert ("totalCount" in caller.query(statement).json()["QueryResponse"]) is present
    finally:
        caller.server.set(total_count="captured")


def test_bodies_are_served_byte_for_byte() -> None:
    company = tiny_company()
    raw = '"Awkward":[100.10,0.30000000000000004,99999999999999.99,1E+2,-0.0] , "t":"\\u00e9é"'
    body = put(company, "Bill", "5000000000000085682", raw=raw)
    with calling(company) as caller:
        answer = caller.query("select * from Bill")
        assert b'"Bill":[' + body + b"]" in answer.content
        read = caller.get("bill/5000000000000085682")
        assert read.content.startswith(b'{"Bill":' + body + b',"time":"')


def test_inactive_rows_are_hidden_unless_active_is_named(caller: Caller) -> None:
    assert caller.ids("select * from Customer") == ["1", "2"]
    assert caller.ids("select * from Customer where Active in (true, false)") == ["1", "2", "3"]
    assert caller.ids("select * from Customer where Active = false") == ["3"]
    assert caller.count("select count(*) from Customer") == 2
    assert caller.count("select count(*) from Customer where Active in (true,false)") == 3


@pytest.mark.parametrize(
    "where,expected",
    [
        ("Id = '7'", ["7"]),
        ("Id in ('9', '7', '99999')", ["7", "9"]),
        ("TotalAmt < '3'", ["1", "2"]),
        ("TotalAmt >= '1202.10'", ["1202", "1203"]),
        ("TotalAmt = '2.1'", ["2"]),
        ("DocNumber = 'd-12'", ["12"]),
        ("DocNumber in ('D-3','D-2')", ["2", "3"]),
        ("DocNumber like 'D-120%'", ["120", "1200", "1201", "1202", "1203"]),
        ("docnumber LIKE '%-1_'", []),
        ("CustomerRef = '1' and TotalAmt < '2'", ["1"]),
        ("CustomerRef = '2'", []),
        ("DueDate = ' ' and Id = '4'", ["4"]),
        ("TxnDate = '2026-09-01' and Id = '4'", ["4"]),
        ("TxnDate > '2026-09-01'", []),
        ("DueDate > '2000-01-01'", []),
    ],
)
def test_conditions_select_what_they_say(caller: Caller, where: str, expected: list[str]) -> None:
    assert caller.ids(f"select * from Invoice where {where}") == expected


@pytest.mark.parametrize(
    "operator,moment,first,last",
    [
        (">=", "2026-09-20T03:26:45-07:00", 5, 1203),
        (">", "2026-09-20T03:26:45-07:00", 6, 1203),
        (">", "2026-09-20T03:26:44.5-07:00", 5, 1203),
        ("<", "2026-09-20T03:26:45-07:00", 1, 4),
        ("<=", "2026-09-20T10:26:45Z", 1, 5),
        ("=", "2026-09-20T12:26:45+0200", 5, 5),
        (">=", "2026-09-20T03:26:45", 5, 1203),  # no offset: read in Pacific time
        (">=", "2026-09-21", 1204, 1203),
    ],
)
def test_times_compare_as_instants_whatever_their_offset(
    caller: Caller, operator: str, moment: str, first: int, last: int
) -> None:
    where = f"MetaData.CreateTime {operator} '{moment}'"
    assert caller.count(f"select count(*) from Invoice where {where}") == last - first + 1
    got = caller.ids(f"select * from Invoice where {where} orderby Id maxresults 1000")
    assert got == numbers(first, last)[:1000]


def test_two_bounds_on_a_time_make_a_window(caller: Caller) -> None:
    where = (
        "MetaData.CreateTime >= '2026-09-20T03:26:45-07:00' "
        "and MetaData.CreateTime < '2026-09-20T03:26:48-07:00'"
    )
    for order in ("", "orderby MetaData.CreateTime", "orderby TotalAmt asc"):
        assert caller.ids(f"select * from Invoice where {where} {order}") == ["5", "6", "7"]


def test_several_sort_keys_apply_one_after_the_other() -> None:
    company = SandboxCompany("9130000000000003", "Sorted", seed=1)
    for id, name, balance in (("10", "b", 1), ("9", "B", 2), ("8", "a", 2), ("7", "c", 1)):
        put(company, "Vendor", id, DisplayName=name, Balance=balance)
    with calling(company, default_order="id") as caller:
        assert caller.ids("select * from Vendor") == ["7", "8", "9", "10"]
        assert caller.ids("select * from Vendor orderby DisplayName, Id desc") == [
            "8", "10", "9", "7",
        ]  # fmt: skip
        assert caller.ids("select * from Vendor orderby Balance desc, DisplayName") == [
            "8", "9", "10", "7",
        ]  # fmt: skip
        caller.server.set(id_order="lexical")
        assert caller.ids("select * from Vendor") == ["10", "7", "8", "9"]


def test_ties_may_change_order_between_queries_but_not_under_a_second_key() -> None:
    company = SandboxCompany("9130000000000003", "Ties", seed=1)
    for number in range(1, 6):
        put(company, "Bill", str(number), created=NOW - 50)
    with calling(company, tie_order="alternating") as caller:
        by_time = [caller.ids("select * from Bill orderby MetaData.CreateTime") for _ in "ab"]
        assert sorted(by_time) == [numbers(1, 5), numbers(1, 5)[::-1]]
        firm = [caller.ids("select * from Bill orderby MetaData.CreateTime, Id") for _ in "ab"]
        assert firm == [numbers(1, 5), numbers(1, 5)]


def test_a_field_list_gives_sparse_objects_with_exact_numbers(caller: Caller) -> None:
    answer = caller.query("select Id, TotalAmt from Invoice maxresults 1")
    assert b'[{"sparse":true,"domain":"QBO","Id":"1","TotalAmt":1.10}]' in answer.content


def test_a_statement_may_be_posted_as_text(caller: Caller) -> None:
    def post(media_type: str) -> int:
        return caller.http.post(
            f"{caller.server.base_url}/v3/company/{caller.realm}/query",
            data="select * from Customer where DisplayName = 'Adam\\'s Candy Shop'",
            headers={**caller.headers(), "Content-Type": media_type},
            timeout=30,
        ).status_code

    assert post("application/text") == 200
    assert post("application/json") == 400


def test_entity_and_property_names_are_taken_in_any_case(caller: Caller) -> None:
    assert caller.ids("select * from invoice where METADATA.createtime > '2026-01-01' "
                      "orderby id desc maxresults 1") == ["1203"]  # fmt: skip


def test_without_asking_for_json_the_answer_is_xml(caller: Caller) -> None:
    answer = caller.get("query", accept="*/*", query="select * from Invoice maxresults 1")
    assert answer.headers["Content-Type"].startswith("application/xml")
    space = "{http://schema.intuit.com/finance/v3}"
    root = ET.fromstring(answer.content)  # noqa: S314  # our own server's answer
    invoice = root.find(f"{space}QueryResponse/{space}Invoice")
    assert invoice is not None
    assert invoice.attrib == {"domain": "QBO"}
    assert invoice.findtext(f"{space}TotalAmt") == "1.10"
    customer = invoice.find(f"{space}CustomerRef")
    assert customer is not None
    assert (customer.text, customer.attrib) == ("1", {"name": "Adam's Candy Shop"})


def test_a_refusal_in_xml_carries_code_message_and_detail(caller: Caller) -> None:
    answer = caller.get("query", accept="application/xml", query="select")
    space = "{http://schema.intuit.com/finance/v3}"
    error = ET.fromstring(answer.content).find(f".//{space}Error")  # noqa: S314
    assert error is not None
    assert error.attrib["code"] == "4000"
    assert (error.findtext(f"{space}Message") or "") == "Error parsing query"


def test_singletons_are_read_and_queried(caller: Caller) -> None:
    info = caller.get(f"companyinfo/{caller.realm}").json()["CompanyInfo"]
    assert info["CompanyName"] == "Tiny 1"
    assert caller.get("preferences").json()["Preferences"]["Id"] == "1"
    assert caller.ids("select * from CompanyInfo") == ["1"]
    assert caller.ids("select * from Preferences startposition 2") == ["1"]


def test_a_read_of_what_is_not_there_gets_610() -> None:
    company = tiny_company(invoices=2)
    company.tables["Invoice"].bury("2", NOW)
    with calling(company) as caller:
        assert caller.get("invoice/1").status_code == 200
        deleted, unknown = caller.get("invoice/2"), caller.get("invoice/77")
        assert deleted.status_code == unknown.status_code == 400
        assert deleted.json()["Fault"]["Error"][0]["code"] == "610"
        assert "deleted this transaction" in deleted.text
        assert "made inactive" in unknown.text


def test_unknown_paths_are_unsupported_operations(caller: Caller) -> None:
    for tail in ("Invoice/1", "nonsense/1", "invoice", "invoice/1/pdf"):
        answer = caller.get(tail)
        assert answer.status_code == 400
        assert answer.json()["Fault"]["Error"][0]["code"] == "500"


def test_the_api_refuses_writes(caller: Caller) -> None:
    answer = caller.http.post(
        f"{caller.server.base_url}/v3/company/{caller.realm}/customer",
        data=json.dumps({"DisplayName": "X"}),
        headers={**caller.headers(), "Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.status_code == 400
    assert caller.count("select count(*) from Customer") == 2


def test_a_page_with_a_poison_record_fails_and_its_neighbours_do_not() -> None:
    poison = [["Invoice", "15"]]
    with calling(tiny_company(invoices=30), poison=poison, default_order="id") as caller:
        page = caller.query("select * from Invoice startposition 11 maxresults 10")
        assert page.status_code == 400
        assert page.json()["Fault"]["Error"][0]["code"] == "4002"
        assert caller.ids("select * from Invoice maxresults 14") == numbers(1, 14)
        assert caller.ids("select * from Invoice startposition 16") == numbers(16, 30)
        assert caller.get("invoice/15").json()["Fault"]["Error"][0]["code"] == "4002"


def test_answers_are_compressed_only_where_that_is_accepted(caller: Caller) -> None:
    packed = caller.query("select * from Invoice")
    assert packed.headers["Content-Encoding"] == "gzip"
    caller.http.headers["Accept-Encoding"] = "identity"
    try:
        plain = caller.query("select * from Invoice")
    finally:
        caller.http.headers["Accept-Encoding"] = "gzip"
    assert "Content-Encoding" not in plain.headers
    assert plain.json()["QueryResponse"] == packed.json()["QueryResponse"]


def test_the_envelope_time_is_pacific_with_milliseconds(caller: Caller) -> None:
    time = caller.query("select count(*) from Invoice").json()["time"]
    assert time[:11] == "2026-09-21T"
    assert time[19] == "."
    assert time.endswith("-07:00")
