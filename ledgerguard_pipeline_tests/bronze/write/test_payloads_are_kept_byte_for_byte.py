from __future__ import annotations

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline_tests.bronze.records import NOON, REALM, load, record

AWKWARD = {
    "trailing zero": '{"Id":"1","TotalAmt":100.10}',
    "exponent": '{"Id":"1","TotalAmt":1E+2}',
    "29 digits": '{"Id":"1","TotalAmt":12345678901234567890123456789}',
    "29 digits with fraction": '{"Id":"1","TotalAmt":123456789012345678901234567.89}',
    "float noise": '{"Id":"1","TotalAmt":0.30000000000000004}',
    "negative zero": '{"Id":"1","TotalAmt":-0.0}',
    "not a number": '{"Id":"1","TotalAmt":NaN}',
    "spacing and order": '{ "b" :1 ,\n\t"a": 2,"Id":"1" }',
    "duplicate keys": '{"Id":"1","a":1,"a":2}',
    "null, empty, absent": '{"Id":"1","a":null,"b":""}',
    "lone surrogate": '{"Id":"1","Note":"\\ud800 and \\udfff"}',
    "escaped backslash before a surrogate": '{"Id":"1","Note":"\\\\ud800"}',
    "escaped NUL": '{"Id":"1","Note":"a\\u0000b"}',
    "emoji and right-to-left": '{"Id":"1","Note":"🧾 שלום é ﷽"}',
    "byte order mark inside": '{"Id":"1","Note":"\ufeff"}',
    "quotes and SQL": '{"Id":"1","Note":"O\'Hara\\"; DROP TABLE bronze.invoice; --"}',
    "one megabyte": '{"Id":"1","Note":"' + "x€" * 262_144 + '"}',
    "20 levels": '{"Id":"1","n":' + "[" * 20 + "]" * 20 + "}",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_payloads_come_back_as_they_were_sent(store: BronzeStore, text: str) -> None:
    [outcome] = store.commit([load(record("1", text))])
    assert (outcome.written, outcome.quarantined) == (1, 0)
    [(payload, digest)] = store.sql("SELECT payload, payload_sha256 FROM bronze.invoice").rows
    assert payload == text
    assert digest == hashlib.sha256(text.encode()).hexdigest()


def test_very_deep_nesting_is_stored_and_its_row_still_appears_in_frames(
    store: BronzeStore,
) -> None:
    deep = '{"Id":"1","n":' + "[" * 100_000 + "]" * 100_000 + "}"
    store.commit([load(record("1", deep), record("2", '{"Id":"2"}'))])
    assert store.sql("SELECT payload FROM invoice WHERE id = '1'").rows == [(deep,)]
    frame = store.frame("Invoice")
    assert list(frame["id"]) == ["1", "2"]
    assert frame["Id"].tolist() == [None, "2"]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    notes=st.lists(st.text(max_size=40), min_size=1, max_size=20),
    amounts=st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
)
def test_any_text_and_any_number_survive_exactly(
    store: BronzeStore, notes: list[str], amounts: list[Decimal]
) -> None:
    rows = {
        f"{at}": json.dumps({"Note": note})[:-1] + f', "Amount": {amount}}}'
        for at, (note, amount) in enumerate(zip(notes, amounts, strict=False))
    }
    # Frames and rows are compared to this load only: later reads replace what went before.
    realm = f"{1_000_000_000 + abs(hash(tuple(rows.values()))) % 10**15}"
    store.commit([load(*(record(id, text) for id, text in rows.items()), realm=realm)])
    stored = store.sql(f"SELECT id, payload FROM invoice_current WHERE realm_id = '{realm}'").rows
    assert set(stored) == set(rows.items())
    frame = store.frame("Invoice", realm_id=realm)
    for id, note, amount in zip(frame["id"], frame["Note"], frame["Amount"], strict=True):
        assert note == notes[int(id)]
        assert isinstance(amount, Decimal)
        assert amount.as_tuple() == Decimal(str(amounts[int(id)])).as_tuple()


def test_times_are_instants_with_microseconds(store: BronzeStore) -> None:
    store.commit([load(record("1", updated=0.000001))])
    [(created, updated)] = store.sql("SELECT created_at, last_updated_at FROM invoice").rows
    assert created == NOON
    assert str(updated) == "2026-03-01 12:00:00.000001+00:00"
    stored = store.current(REALM, "Invoice", ["1"])["1"]
    assert stored.last_updated_at == updated
