"""No text, however it is written, can leave its literal or change a statement's meaning."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.qbo.queries.statement import (
    LAST_UPDATED_TIME,
    Condition,
    Order,
    Query,
    instant_literal,
)
from ledgerguard_pipeline.qbo.queries.where import parse_where
from ledgerguard_pipeline.sandbox.query.grammar import parse

INVOICE = entity_type("Invoice")
CUSTOMER = entity_type("Customer")
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@settings(max_examples=60, deadline=None)
@given(printable)
def test_any_text_survives_as_one_literal(text: str) -> None:
    statement = parse(Query.select(INVOICE, (Condition("DocNumber", "=", text),)).text)

    (condition,) = statement.where
    assert condition.values == (text,)


@settings(max_examples=60, deadline=None)
@given(st.lists(printable, min_size=1, max_size=5))
def test_any_ids_survive_as_one_list(ids: list[str]) -> None:
    statement = parse(Query.ids(INVOICE, ids).text)

    assert statement.where[0].values == tuple(ids)


@settings(max_examples=60, deadline=None)
@given(printable, st.sampled_from(["=", "<", ">", "<=", ">=", "LIKE"]))
def test_a_typed_clause_is_rebuilt_with_the_same_meaning(text: str, operator: str) -> None:
    original = Condition("DisplayName", operator, text)  # type: ignore[arg-type]  # drawn

    assert parse_where(original.text) == (original,)


def test_a_whole_statement_reads_as_intuit_documents_it() -> None:
    since = datetime(2026, 11, 1, 0, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=-8)))
    query = Query.select(
        CUSTOMER, (Condition(LAST_UPDATED_TIME, ">=", since),),
        order=(Order("MetaData.CreateTime"), Order("Id")), start=951, limit=1000,
    )  # fmt: skip

    assert query.text == (
        "SELECT * FROM Customer WHERE MetaData.LastUpdatedTime >= '2026-11-01T08:00:00Z' AND "
        "Active IN (true, false) ORDERBY MetaData.CreateTime ASC, Id ASC STARTPOSITION 951 "
        "MAXRESULTS 1000"
    )


def test_inactive_rows_are_named_for_lists_only_and_once() -> None:
    assert "Active" not in Query.count(INVOICE).text
    assert Query.count(CUSTOMER).text == (
        "SELECT count(*) FROM Customer WHERE Active IN (true, false)"
    )
    only_active = Query.select(CUSTOMER, (Condition("Active", "=", True),))
    assert only_active.text.count("Active") == 1


def test_times_are_widened_to_whole_seconds_and_never_narrowed() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)

    assert Condition("MetaData.CreateTime", ">=", moment).text.endswith("'2026-01-01T00:00:00Z'")
    assert Condition("MetaData.CreateTime", "<=", moment).text.endswith("'2026-01-01T00:00:01Z'")
    assert Condition("TxnDate", "=", date(2026, 1, 1)).text == "TxnDate = '2026-01-01'"


def test_a_time_without_an_offset_is_refused() -> None:
    bare = datetime(2026, 1, 1)  # noqa: DTZ001  # the point of the test
    with pytest.raises(BadInputError, match="offset"):
        instant_literal(bare)
    with pytest.raises(BadInputError, match="offset"):
        parse_where("MetaData.CreateTime > '2026-01-01T00:00:00'")


def test_a_typed_clause_may_hold_several_conditions() -> None:
    assert parse_where(
        " where TotalAmt > 100.50 and Active in (TRUE, false) AND Name LIKE 'A%'"
    ) == (
        Condition("TotalAmt", ">", "100.50"),
        Condition("Active", "IN", (True, False)),
        Condition("Name", "LIKE", "A%"),
    )
    assert parse_where("  ") == ()


@pytest.mark.parametrize(
    "clause",
    [
        "Id = '1' OR Id = '2'",
        "Id = '1'; DELETE FROM Invoice",
        "Id = '1' STARTPOSITION 1",
        "Id = '1' -- comment",
        "Id = '1",
        "Id",
        "Id =",
        "= '1'",
        "Id IN ('1'",
        "Id IN ()",
        "Id IN '1'",
        "Id = ('1')",
        "Id != '1'",
        "Id = '1' AND",
        "a.b.c = '1'",
        "Id = 'x\x00'",
        "TotalAmt > 1 2",
        "Id = bare",
        "💥",
    ],
)
def test_anything_but_conditions_joined_by_and_is_refused(clause: str) -> None:
    with pytest.raises(BadInputError):
        parse_where(clause)


@pytest.mark.parametrize("name", ["Id = '1' OR Id", "", "x'", "a..b", "MetaData.CreateTime "])
def test_a_property_is_a_name_and_nothing_else(name: str) -> None:
    with pytest.raises(BadInputError):
        Condition(name, "=", "1")
    with pytest.raises(BadInputError):
        Order(name)


@pytest.mark.parametrize("start, limit", [(0, 1), (1, 0), (1, 1001), (-5, 10)])
def test_positions_intuit_would_refuse_or_cut_are_refused_here(start: int, limit: int) -> None:
    with pytest.raises(BadInputError):
        Query.select(INVOICE, start=start, limit=limit)
