from __future__ import annotations

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline_tests.sandbox.caller import NOW, Json, calling, put, tiny_company

DAY = 86_400
SINCE = write_time(NOW - 1000)


def changing_company(bills: int = 0, purchases: int = 0, dead: int = 0) -> SandboxCompany:
    company = tiny_company()
    for number in range(bills):
        put(company, "Bill", str(number + 1), created=NOW - 500 + number % 100)
    for number in range(purchases):
        put(company, "Purchase", str(number + 1), created=NOW - 500)
    for number in range(dead):
        id = str(5000 + number)
        put(company, "Bill", id, created=NOW - 2000)
        company.tables["Bill"].bury(id, NOW - 900 + number)
    return company


def groups(answer: Json) -> list[Json]:
    (response,) = answer["CDCResponse"]
    return list(response["QueryResponse"])


def test_groups_come_in_the_order_asked_for_with_changed_rows_only() -> None:
    company = tiny_company()
    body = put(company, "Bill", "8", created=NOW - 90_000, updated=NOW - 10)
    put(company, "Bill", "9", created=NOW - 90_000)
    with calling(company) as caller:
        answer = caller.cdc("purchase,bill, Customer", SINCE)
        purchases, bills, customers = groups(answer.json())
        assert (purchases, customers) == ({}, {})
        assert bills["startPosition"] == bills["maxResults"] == 1
        assert b'{"Bill":[' + body + b"]," in answer.content


def test_groups_may_come_in_another_order_and_a_fault_instead_of_one() -> None:
    company = changing_company(bills=1, purchases=1)
    with calling(company) as caller:
        caller.server.set(cdc_order="reversed")
        bills, purchases = groups(caller.cdc("Purchase,Bill", SINCE).json())
        assert ("Bill" in bills, "Purchase" in purchases) == (True, True)
        caller.server.set(cdc_fault="inside", poison=[["Purchase", "1"]])
        answer = caller.cdc("Purchase,Bill", SINCE)
        assert answer.status_code == 200
        bills, purchases = groups(answer.json())
        assert [row["Id"] for row in bills["Bill"]] == ["1"]
        assert [error["code"] for error in purchases["Fault"]["Error"]] == ["4002"]


def test_the_bound_includes_its_own_second() -> None:
    company = tiny_company()
    put(company, "Bill", "8", created=NOW - 1000)
    put(company, "Bill", "9", created=NOW - 1001)
    with calling(company) as caller:
        (bills,) = groups(caller.cdc("Bill", SINCE).json())
        assert [row["Id"] for row in bills["Bill"]] == ["8"]


def test_live_rows_come_by_time_of_change_and_tombstones_last() -> None:
    with calling(changing_company(bills=3, dead=2)) as caller:
        put(caller.server.world.companies[caller.realm], "Bill", "1", updated=NOW - 1)
        (bills,) = groups(caller.cdc("Bill", SINCE).json())
        assert [row["Id"] for row in bills["Bill"]] == ["2", "3", "1", "5000", "5001"]
        assert bills["Bill"][-1] == {
            "domain": "QBO",
            "status": "Deleted",
            "Id": "5001",
            "MetaData": {"LastUpdatedTime": write_time(NOW - 899)},
        }


def test_inactive_list_rows_come_as_full_objects() -> None:
    company = tiny_company()
    put(company, "Customer", "3", updated=NOW - 5, active=False, Active=False, DisplayName="Old")
    with calling(company) as caller:
        (customers,) = groups(caller.cdc("Customer", SINCE).json())
        assert [(row["Id"], row["Active"]) for row in customers["Customer"]] == [("3", False)]


def test_at_most_1000_objects_come_and_tombstones_are_what_is_lost() -> None:
    with calling(changing_company(bills=700, purchases=500, dead=3)) as caller:
        purchases, bills = groups(caller.cdc("Purchase,Bill", SINCE).json())
        assert (len(purchases["Purchase"]), len(bills["Bill"])) == (500, 500)
        assert not [row for row in bills["Bill"] if "status" in row]
        caller.server.set(cdc_cap="group")
        purchases, bills = groups(caller.cdc("Purchase,Bill", SINCE).json())
        assert (len(purchases["Purchase"]), len(bills["Bill"])) == (500, 703)
        assert [row["Id"] for row in bills["Bill"] if "status" in row] == ["5000", "5001", "5002"]


def test_what_lies_further_back_than_30_days_is_refused() -> None:
    with calling() as caller:
        good = caller.cdc("Bill", write_time(NOW - 30 * DAY + 60))
        assert good.status_code == 200
        old = write_time(NOW - 30 * DAY - 60)
        answer = caller.cdc("Bill", old)
        assert answer.status_code == 400
        (error,) = answer.json()["Fault"]["Error"]
        assert error["code"] == "500"
        assert error["Message"] == "Unsupported Operation"
        assert error["Detail"] == (
            f"Operation cdc with changedSince date {old} which is older than fixed days is not "
            "supported."
        )


def test_entities_cdc_does_not_cover_are_refused() -> None:
    with calling() as caller:
        for name in ("TimeActivity", "TaxCode", "TaxRate", "TaxAgency", "Nonsense"):
            answer = caller.cdc(f"Bill,{name}", SINCE)
            assert answer.status_code == 400
            assert name in answer.json()["Fault"]["Error"][0]["Detail"]


def test_missing_or_unreadable_parameters_are_refused() -> None:
    with calling() as caller:
        assert caller.get("cdc", entities="Bill").json()["Fault"]["Error"][0]["code"] == "2020"
        assert caller.get("cdc", changedSince=SINCE).json()["Fault"]["Error"][0]["code"] == "2020"
        assert caller.cdc("Bill", "yesterday").status_code == 400


def test_an_offset_whose_plus_is_not_encoded_is_unreadable() -> None:
    with calling() as caller:
        url = f"{caller.server.base_url}/v3/company/{caller.realm}/cdc?entities=Bill&changedSince="
        moment = "2026-09-20T10:00:00+00:00"
        assert (
            caller.http.get(url + moment, headers=caller.headers(), timeout=30).status_code == 400
        )
        encoded = url + moment.replace("+", "%2B")
        assert caller.http.get(encoded, headers=caller.headers(), timeout=30).status_code == 200


def test_a_poison_record_fails_the_whole_answer() -> None:
    with calling(changing_company(bills=3), poison=[["Bill", "2"]]) as caller:
        answer = caller.cdc("Bill,Customer", SINCE)
        assert answer.status_code == 400
        assert answer.json()["Fault"]["Error"][0]["code"] == "4002"
        assert caller.cdc("Customer", SINCE).status_code == 200


def test_a_credit_card_payment_comes_under_its_transaction_name() -> None:
    company = tiny_company()
    put(company, "CreditCardPayment", "4", created=NOW - 10)
    with calling(company) as caller:
        (group,) = groups(caller.cdc("CreditCardPayment", SINCE).json())
        assert [row["Id"] for row in group["CreditCardPaymentTxn"]] == ["4"]
