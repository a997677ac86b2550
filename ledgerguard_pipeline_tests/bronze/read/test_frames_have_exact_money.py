from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.read.frames import HEADER
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import (
    NOON,
    OTHER_REALM,
    REALM,
    load,
    record,
    tombstone,
)
from ledgerguard_pipeline_tests.clocks import FakeClock

AMOUNTS = [
    "100.10",
    "0.30000000000000004",
    "99999999999999.99",
    "1E+2",
    "-0.0",
    "7",
    "12345678901234567890123456789",
]


def test_every_number_is_a_decimal_of_its_own_text(store: BronzeStore) -> None:
    store.commit(
        [
            load(
                *(
                    record(str(at), f'{{"TotalAmt":{text},"Line":[{{"Amount":{text}}}]}}')
                    for at, text in enumerate(AMOUNTS)
                )
            )
        ]
    )
    frame = store.frame("Invoice")
    # Only a positive exponent is written out: DuckDB would take Decimal("1E+2") for 1.00.
    plain = [Decimal(100) if text == "1E+2" else Decimal(text) for text in AMOUNTS]
    for value, line, expected in zip(frame["TotalAmt"], frame["Line"], plain, strict=True):
        assert value.as_tuple() == expected.as_tuple()
        assert line[0]["Amount"].as_tuple() == expected.as_tuple()


def test_a_frame_has_the_header_then_the_fields_and_none_where_one_is_missing(
    store: BronzeStore,
) -> None:
    store.commit(
        [
            load(
                record("2", '{"Id":"2","Balance":1.5,"CustomerRef":{"value":"7"}}'),
                record("10", '{"Id":"10","Paid":true,"state":"odd"}'),
                record("1", '{"Id":"1","PrivateNote":null}'),
            )
        ]
    )
    frame = store.frame("Invoice")
    assert list(frame.columns) == [
        *HEADER,
        "Id",
        "PrivateNote",
        "Balance",
        "CustomerRef",
        "Paid",
        "state_field",
    ]
    assert list(frame["id"]) == ["1", "2", "10"]
    assert list(frame["Balance"]) == [None, Decimal("1.5"), None]
    assert frame["CustomerRef"].iloc[1] == {"value": "7"}
    assert frame["Paid"].iloc[2] is True
    assert list(frame["state"]) == ["active"] * 3
    assert frame["last_updated_at"].iloc[0] == pd.Timestamp(NOON)
    assert str(frame["last_updated_at"].dtype) == "datetime64[us, UTC]"


def test_a_frame_leaves_out_deleted_objects_and_other_companies(store: BronzeStore) -> None:
    store.commit(
        [
            load(record("1"), tombstone("2", updated=1, read=1)),
            load(record("3"), realm=OTHER_REALM),
        ]
    )
    assert list(store.frame("Invoice", realm_id=REALM)["id"]) == ["1"]
    assert list(store.frame("invoice")["id"]) == ["1", "3"]


def test_as_of_shows_what_bronze_held_at_that_moment(path: Path) -> None:
    clock = FakeClock(NOON)
    store = BronzeStore(path, Environment.SANDBOX, clock=clock)
    moments: list[datetime] = [clock.now()]
    for change in (
        record("1", '{"v":1}', updated=1),
        record("1", '{"v":2}', updated=2),
        tombstone("1", updated=3, read=300),
    ):
        clock.advance(60)
        store.commit([load(change)])
        moments.append(clock.now())
    shown = [
        [str(v) for v in frame["v"]] if len(frame := store.frame("Invoice", as_of=at)) else []
        for at in moments
    ]
    assert shown == [[], ["1"], ["2"], []]
    with pytest.raises(BadInputError, match="UTC offset"):
        store.frame("Invoice", as_of=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_limit_keeps_the_most_recently_updated(store: BronzeStore) -> None:
    store.commit([load(*(record(str(at), updated=at) for at in range(20)))])
    store.commit(
        [
            load(
                tombstone("19", updated=99, read=999),
                record("3", '{"Id":"3","SyncToken":"0","v":1}', updated=50),
                record("7", '{"Id":"7","SyncToken":"0","v":1}', updated=None, read=500),
            )
        ]
    )
    assert list(store.frame("Invoice", limit=3)["id"]) == ["3", "18", "17"]


def test_an_empty_frame_has_its_header(store: BronzeStore) -> None:
    assert list(store.frame("Invoice").columns) == list(HEADER)
    store.commit([load(entity="Bill")])
    for entity in ("Invoice", "Bill", "Expense"):
        frame = store.frame(entity)
        assert list(frame.columns) == list(HEADER)
        assert len(frame) == 0
        assert str(frame["loaded_at"].dtype) == "datetime64[us, UTC]"


def test_an_unknown_entity_is_named(store: BronzeStore) -> None:
    with pytest.raises(BadInputError, match="'Invoicee' is not a supported entity type"):
        store.frame("Invoicee")


PURCHASES = {
    "1": '{"PaymentType":"Cash","TotalAmt":10.10}',
    "2": '{"PaymentType":"CreditCard","TotalAmt":1}',
    "3": '{"PaymentType":"CreditCard","Credit":false,"TotalAmt":1}',
    "4": '{"PaymentType":"CreditCard","Credit":true,"TotalAmt":1}',
    "5": '{"PaymentType":"Check","TotalAmt":1}',
    "6": '{"PaymentType":"Cash","PrivateNote":"\\ud800 \\\\udc00","TotalAmt":2}',
    "7": '{"PaymentType":"Cash","TotalAmt":NaN}',
    "8": '{"PaymentType":"Cash",broken',
}


def test_expense_is_cash_and_card_purchases_even_beside_odd_payloads(store: BronzeStore) -> None:
    store.commit([load(*(record(*item) for item in PURCHASES.items()), entity="Purchase")])
    expected = ["1", "2", "3", "6", "7"]
    assert list(store.frame("Expense")["id"]) == expected
    assert sorted(store.frame("Expense", limit=99)["id"]) == expected
    assert (
        list(store.frame("expense", realm_id=REALM, as_of=datetime.now().astimezone())["id"])
        == expected
    )
    rows = store.sql("SELECT id, payload FROM bronze.expense_current ORDER BY id").rows
    assert rows == [(id, PURCHASES[id]) for id in expected]
    assert store.count("Expense", REALM) == 5
    assert store.count("Purchase") == 8


def test_expense_follows_a_purchase_that_becomes_a_check(store: BronzeStore) -> None:
    store.commit([load(record("1", PURCHASES["1"], updated=1), entity="Purchase")])
    store.commit([load(record("1", PURCHASES["5"], updated=2), entity="Purchase")])
    assert store.count("Expense") == 0
    assert store.sql("SELECT id FROM bronze.expense").rows == [("1",)]
