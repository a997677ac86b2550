from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.sandbox.query.grammar import (
    Condition,
    Operator,
    SortKey,
    Statement,
    parse,
)
from ledgerguard_pipeline_tests.sandbox.caller import Caller, calling, tiny_company

EQ, GE = Operator.EQ, Operator.GE


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling(tiny_company(invoices=3)) as ready:
        yield ready


@pytest.mark.parametrize(
    "text,expected",
    [
        ("select * from Invoice", Statement("Invoice")),
        ("SELECT COUNT(*) FROM Invoice", Statement("Invoice", count=True)),
        ("Select Id, MetaData.CreateTime From Bill", Statement(
            "Bill", fields=("Id", "MetaData.CreateTime"))),
        ("select * from A where B = 'x'", Statement("A", where=(Condition("B", EQ, ("x",)),))),
        (r"select * from A where B = 'Adam\'s'", Statement(
            "A", where=(Condition("B", EQ, ("Adam's",)),))),
        (r"select * from A where B = 'back\\slash'", Statement(
            "A", where=(Condition("B", EQ, ("back\\slash",)),))),
        ("select * from A where Active IN (true, false) and C >= '1'", Statement(
            "A", where=(Condition("Active", Operator.IN, (True, False)),
                        Condition("C", GE, ("1",))))),
        ("select * from A where B like '%x%'", Statement(
            "A", where=(Condition("B", Operator.LIKE, ("%x%",)),))),
        ("select * from A where TxnDate = CURRENT_DATE", Statement(
            "A", where=(Condition("TxnDate", EQ, (None,)),))),
        ("select * from A ORDERBY B DESC, C ASC, D", Statement(
            "A", order=(SortKey("B", descending=True), SortKey("C"), SortKey("D")))),
        ("select * from A order  by B", Statement("A", order=(SortKey("B"),))),
        ("select * from A startposition 11 maxresults 5", Statement("A", start=11, limit=5)),
        ("select * from A startposition 0", Statement("A", start=1)),
        ("select * from A maxresults 4000", Statement("A", limit=4000)),
        ("select\n *\tfrom A", Statement("A")),
    ],
)  # fmt: skip
def test_documented_statements_are_understood(text: str, expected: Statement) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text,index",
    [
        ("select * from Invoice where A = '1' or B = '2'", '" <OR> "or "" at line 1, column 37'),
        ("select * from Invoice where A != '1'", 'Encountered: "!" (33)'),
        ("select * from Invoice where NOT A = '1'", '" <NOT> "NOT "" at line 1, column 29'),
        ("select from Invoice", '" "from" "from "" at line 1, column 8'),
        ("select * from Invoice where Balance > 0", '" <NUMBER> "0 "" at line 1, column 39'),
        ("select * from Invoice TxnDate", '" <IDENTIFIER> "TxnDate "" at line 1, column 23'),
        ("select * from Invoice, Bill", '" "," ", "" at line 1, column 22'),
        ("select * from Invoice where A = '1", 'column 35.  Encountered: <EOF> after : "\'1"'),
        ("select * from Invoice where A = 'it''s'", '" <STRING> "\'s\' "" at line 1, column 37'),
        ("select * from Invoice where A = \u2018x\u2019", 'Encountered: "\u2018" (8216)'),
        ("select * from Invoice where", '"<EOF>" at line 1, column 28'),
        ("select * from Invoice startposition -1", '" <NUMBER> "-1 "" at line 1, column 37'),
        ("select * from Invoice maxresults ten", '" <IDENTIFIER> "ten "" at line 1'),
        ("select * from Invoice maxresults 5 startposition 1", '" "startposition" "startposi'),
        ("select * from Invoice group by A", '" <IDENTIFIER> "group "" at line 1, column 23'),
        ("select *\nfrom Invoice having", '" <IDENTIFIER> "having "" at line 2, column 14'),
        ("delete from Invoice", '" <IDENTIFIER> "delete "" at line 1, column 1'),
        ("select * from Invoice where Id in ()", '" ")" ") "" at line 1, column 36'),
        ("select * from A where B like CURRENT_DATE", '"CURRENT_DATE "" at line 1, column 30'),
    ],
)
def test_what_is_no_statement_is_refused_with_4000_and_the_position(
    caller: Caller, text: str, index: str
) -> None:
    answer = caller.query(text)
    assert answer.status_code == 400
    (error,) = answer.json()["Fault"]["Error"]
    assert (error["code"], error["Message"]) == ("4000", "Error parsing query")
    assert error["Detail"].startswith("QueryParserError: ")
    assert index in error["Detail"]


@pytest.mark.parametrize(
    "text,detail",
    [
        ("select * from Invoice maxresults 0",
         "QueryValidationError: value 0 is too small. Min allowed value is 1"),
        ("select * from Purchase where NoSuchField = '1'",
         "QueryValidationError: Property NoSuchField not found for Entity Purchase"),
        ("select * from Invoice orderby NoSuchField",
         "QueryValidationError: Property NoSuchField not found for Entity Invoice"),
        ("select NoSuchField from Invoice",
         "QueryValidationError: Property NoSuchField not found for Entity Invoice"),
        ("select * from Invoice where domain = 'QBO'",
         "QueryValidationError: property 'domain' is not queryable"),
        ("select * from Invoice where Active = true",
         "QueryValidationError: Property Active not found for Entity Invoice"),
        ("select * from Invoice where Id > '1'",
         "QueryValidationError: Operator > is not supported for property Id"),
        ("select * from Invoice where Id like '1%'",
         "QueryValidationError: Operator LIKE is not supported for property Id"),
        ("select * from Expense",
         "QueryValidationError: Metadata not found for Entity:Expense"),
        ("select * from Invoice where MetaData.CreateTime > 'yesterday'",
         "QueryValidationError: value yesterday is not valid for property MetaData.CreateTime"),
        ("select * from Invoice where TxnDate > '2026-02-30'",
         "QueryValidationError: value 2026-02-30 is not valid for property TxnDate"),
        ("select * from Invoice where TotalAmt > 'lots'",
         "QueryValidationError: value lots is not valid for property TotalAmt"),
        ("select * from Customer where Active = 'maybe'",
         "QueryValidationError: value maybe is not valid for property Active"),
    ],
)  # fmt: skip
def test_what_an_entity_does_not_offer_is_refused_with_4001(
    caller: Caller, text: str, detail: str
) -> None:
    answer = caller.query(text)
    assert answer.status_code == 400
    assert answer.json()["Fault"] == {
        "Error": [{"Message": "Invalid query", "Detail": detail, "code": "4001", "element": ""}],
        "type": "ValidationFault",
    }


def test_a_query_without_a_statement_gets_a_fault_inside_200(caller: Caller) -> None:
    answer = caller.get("query")
    assert answer.status_code == 200
    assert answer.json()["Fault"]["type"] == "SystemFault"
