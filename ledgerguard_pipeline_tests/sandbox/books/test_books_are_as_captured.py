"""Ids, types and members of objects as captured and documented until 2026."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW, every, the
from ledgerguard_pipeline_tests.sandbox.caller import NOW as TINY_NOW
from ledgerguard_pipeline_tests.sandbox.caller import calling


@pytest.fixture
def company() -> SandboxCompany:
    return build_company(invoices=12, now=NOW)


def of(company: SandboxCompany, entity: str) -> list[Doc]:
    return [doc for name, _, doc in every(company) if name == entity]


def test_metadata_of_three_types_names_a_user_between_its_times(company: SandboxCompany) -> None:
    named = {
        entity
        for entity, _, doc in every(company)
        if list(doc.get("MetaData", ())) == ["CreateTime", "LastModifiedByRef", "LastUpdatedTime"]
    }
    assert named == {"Invoice", "Bill", "PurchaseOrder"}
    assert all("LastModifiedByRef" in doc["MetaData"] for doc in of(company, "Invoice"))
    for entity in sorted(named):
        made = edit(company, "create", entity, at=NOW).id
        assert made is not None
        edit(company, "update", entity, made, at=NOW + 1)
        assert "LastModifiedByRef" in the(company, entity, made)["MetaData"]


def test_ids_do_not_grow_with_time(company: SandboxCompany) -> None:
    accounts = [int(doc["Id"]) for doc in of(company, "Account")]
    assert 1_150_040_001 in accounts
    assert accounts != sorted(accounts)
    later = edit(company, "create", "Account", at=NOW).id
    assert later is not None
    assert int(later) < max(accounts)
    assert {doc["Id"][:13] for doc in of(company, "Class")} == {"5000000000000"}
    assert next(iter(company.tables["InventoryAdjustment"].rows)) == "1455000081"
    assert edit(company, "create", "InventoryAdjustment", at=NOW).id == "1455000095"


def test_an_adjustment_has_the_date_of_its_change_and_no_time(company: SandboxCompany) -> None:
    table = company.tables["InventoryAdjustment"]
    (id, *_) = table.rows
    edit(company, "update", "InventoryAdjustment", id, at=NOW)
    assert the(company, "InventoryAdjustment", id)["MetaData"] == {"LastUpdatedTime": day_text(NOW)}
    for row in table.rows.values():
        meta = the(company, "InventoryAdjustment", row.id)["MetaData"]
        assert meta == {"LastUpdatedTime": day_text(row.updated)}


def test_charges_of_a_reader_name_nobody_or_somebody(company: SandboxCompany) -> None:
    readers: dict[str, list[Doc]] = {"1": [], "31": []}
    for doc in of(company, "Purchase"):
        (extra,) = doc["PurchaseEx"]["any"]
        readers.get(extra["value"]["Value"], []).append(doc)
    assert {doc["PaymentType"] for doc in readers["1"]} == {"CreditCard"}
    assert {"EntityRef" in doc for doc in readers["1"]} == {True, False}
    assert {doc["PaymentType"] for doc in readers["31"]} == {"Cash"}


def test_new_members_of_2026_are_there(company: SandboxCompany) -> None:
    for doc in of(company, "Customer"):
        assert {"IsProject", "ClientEntityId", "V4IDPseudonym"} <= doc.keys()
    for entity in ("Invoice", "SalesReceipt"):
        (line, *_) = of(company, entity)[0]["Line"]
        assert line["CustomExtensions"] == []
        account = line["SalesItemLineDetail"]["ItemAccountRef"]["value"]
        assert account in company.tables["Account"].rows
    (line, *_) = of(company, "PurchaseOrder")[0]["Line"]
    assert (line["Received"], line["CustomExtensions"]) == ("0", [])
    indexes = [doc["BillAddr"].get("Lat") for doc in of(company, "Customer")]
    assert set(indexes) == {None, "INVALID"}


def test_switches_give_the_older_forms() -> None:
    books = build_company("9130000000000001", invoices=3, now=TINY_NOW)
    with calling(books) as caller:
        refused = caller.query("select * from InventoryAdjustment")
        assert refused.json()["Fault"]["Error"][0]["code"] == "4001"
        assert caller.get("inventoryadjustment/1455000081").status_code == 200
        assert "LastModifiedByRef" in caller.rows("select * from Invoice")[0]["MetaData"]
        caller.server.set(no_query=[], full_times=["InventoryAdjustment"], last_modified_by=False)
        (row, *_) = caller.rows("select * from InventoryAdjustment orderby Id")
        assert list(row["MetaData"]) == ["CreateTime", "LastUpdatedTime"]
        assert "T" in row["MetaData"]["LastUpdatedTime"]
        for entity in ("Invoice", "Bill", "PurchaseOrder"):
            meta = caller.rows(f"select * from {entity}")[0]["MetaData"]
            assert list(meta) == ["CreateTime", "LastUpdatedTime"]


def test_change_data_capture_may_compare_bare_dates() -> None:
    books = build_company("9130000000000001", invoices=3, now=TINY_NOW)
    (id, *_) = books.tables["InventoryAdjustment"].rows
    edit(books, "update", "InventoryAdjustment", id, at=TINY_NOW - 60)
    day = day_text(TINY_NOW - 60)

    def reported(since: str) -> bool:
        (group,) = caller.cdc("InventoryAdjustment", since).json()["CDCResponse"][0][
            "QueryResponse"
        ]
        return id in [row["Id"] for row in group.get("InventoryAdjustment", [])]

    with calling(books) as caller:
        assert reported(f"{day}T00:00:00-07:00")
        assert reported(f"{day}T00:00:01-07:00")
        caller.server.set(cdc_by_day=True)
        assert reported(f"{day}T00:00:00-07:00")
        assert not reported(f"{day}T00:00:01-07:00")
