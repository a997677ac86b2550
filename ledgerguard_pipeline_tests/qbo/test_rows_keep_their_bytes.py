"""A payload is the row exactly as sent, and one bad row never fails its page."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.qbo.answers import json_scan
from ledgerguard_pipeline.qbo.answers.payload import Origin, Rows, members_of, read_rows
from ledgerguard_pipeline.values import Source, State
from ledgerguard_pipeline_tests.effort import python_calls

ORIGIN = Origin(Source.QUERY, "1-tid", datetime(2026, 11, 22, tzinfo=UTC))
INVOICE = entity_type("Invoice")
CUSTOMER = entity_type("Customer")


def read(array: bytes, entity: EntityType = INVOICE) -> Rows:
    return read_rows(array, entity, ORIGIN)


def one(row: bytes, entity: EntityType = INVOICE) -> Rows:
    rows = read(b"[" + row + b"]", entity)
    assert rows.count == 1
    return rows


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
HEADER = {"Id", "SyncToken", "MetaData", "Active", "status", "TotalAmt", "PrivateNote"}


@st.composite
def rows_as_bytes(draw: st.DrawFn) -> bytes:
    fields = draw(st.dictionaries(st.text(min_size=1, max_size=8), json_values, max_size=5))
    row = {key: value for key, value in fields.items() if key not in HEADER}
    row["Id"] = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    return json.dumps(row, separators=spaced, ensure_ascii=draw(st.booleans())).encode()


@settings(max_examples=40, deadline=None)
@given(st.lists(rows_as_bytes(), max_size=6), st.sampled_from([b",", b" , ", b"\r\n,\t"]))
def test_any_row_comes_back_byte_for_byte_with_its_id(rows: list[bytes], comma: bytes) -> None:
    read_back = read(b"[ " + comma.join(rows) + b" ]")

    assert read_back.rejects == []
    assert [record.payload for record in read_back.records] == rows
    assert [record.id for record in read_back.records] == [json.loads(row)["Id"] for row in rows]


BAD_ROWS = {
    "NaN": b'{"Id":"666","Amount":NaN}',
    "a lone surrogate": b'{"Id":"666","Note":"\\ud800"}',
    "invalid UTF-8": b'{"Id":"666","Note":"\xff\xfe"}',
    "no Id": b'{"SyncToken":"0"}',
    "a number as Id": b'{"Id":666}',
    "null as Id": b'{"Id":null}',
    "an empty Id": b'{"Id":""}',
    "a leading zero": b'{"Id":"666","Amount":01}',
    "a control character": b'{"Id":"666","Note":"\x01"}',
    "a bad escape": b'{"Id":"666","Note":"\\x"}',
    "a time that is none": b'{"Id":"666","MetaData":{"LastUpdatedTime":"yesterday"}}',
    "a time without offset": b'{"Id":"666","MetaData":{"CreateTime":"2026-01-01T00:00:00"}}',
    "MetaData that is a list": b'{"Id":"666","MetaData":[1]}',
    "a number instead of an object": b"42",
    "null instead of an object": b"null",
    "a list instead of an object": b'["Id","666"]',
    "nesting without end": b'{"Id":"666","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_one_bad_row_is_rejected_with_its_bytes_and_the_others_load(bad: bytes) -> None:
    first, last = b'{"Id":"1" , "n":100.10}', b'{"Id":"2","n":1E+2}'

    rows = read(b"[" + first + b"," + bad + b", " + last + b"]")

    assert [record.payload for record in rows.records] == [first, last]
    (reject,) = rows.rejects
    assert reject.payload == bad
    assert reject.reason
    assert (reject.source, reject.request_id) == (Source.QUERY, "1-tid")
    if b'"Id":"666"' in bad:
        assert reject.id == "666"


GOOD_BUT_ODD = {
    "duplicate keys": b'{"Id":"7","DocNumber":"a","DocNumber":"b"}',
    "twenty levels": b'{"Id":"7","x":' + b'{"y":' * 20 + b"1" + b"}" * 21,
    "numbers no float can hold": b'{"Id":"7","a":100.10,"b":0.30000000000000004,"c":1E+2,"d":-0.0}',
    "more digits than a double": b'{"Id":"7","a":99999999999999.99,"b":12345678901234567890123456}',
    "an escaped NUL": b'{"Id":"7","Note":"a\\u0000b"}',
    "emoji and right-to-left": '{"Id":"7","Note":"🧾 שלום é"}'.encode(),
    "escaped emoji": b'{"Id":"7","Note":"\\ud83e\\uddfe"}',
    "a one-megabyte note": b'{"Id":"7","Note":"' + b"x" * 1_000_000 + b'"}',
    "spaces and newlines inside": b'{ "Id" : "7",\n\t"Line" : [ ] }',
    "a SyncToken that is a number": b'{"Id":"7","SyncToken":3}',
    "Active as a text": b'{"Id":"7","Active":"true"}',
    "a note that is an object": b'{"Id":"7","PrivateNote":{"a":1},"TotalAmt":"x"}',
    "no MetaData": b'{"Id":"7","MetaData":null}',
}


@pytest.mark.parametrize("odd", GOOD_BUT_ODD.values(), ids=GOOD_BUT_ODD.keys())
def test_an_odd_row_is_kept_as_it_is(odd: bytes) -> None:
    (record,) = one(odd).records

    assert (record.id, record.payload, record.state) == ("7", odd, State.ACTIVE)


def test_the_header_is_read_into_utc() -> None:
    (record,) = one(
        b'{"Id":"5000000000000085682","SyncToken":"12","MetaData":{'
        b'"CreateTime":"2026-03-08T01:59:59-08:00","LastUpdatedTime":"2026-07-01T00:00:00-07:00"}}'
    ).records

    assert record.id == "5000000000000085682"
    assert record.sync_token == "12"
    assert record.created_at == datetime(2026, 3, 8, 9, 59, 59, tzinfo=UTC)
    assert record.last_updated_at == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert record.fetched_at == ORIGIN.fetched_at


@pytest.mark.parametrize(
    "row, entity, state",
    [
        ('{"Id":"1","Active":true}', "Customer", State.ACTIVE),
        ('{"Id":"1","Active":false}', "Customer", State.INACTIVE),
        ('{"Id":"1","Active":"false"}', "Customer", State.INACTIVE),
        ('{"Id":"1","Active":false}', "TaxCode", State.INACTIVE),
        ('{"Id":"1","Active":false}', "Invoice", State.ACTIVE),
        ('{"Id":"1","TotalAmt":0,"PrivateNote":"Voided"}', "Invoice", State.VOIDED),
        ('{"Id":"1","TotalAmt":0.00,"PrivateNote":"Voided - by mistake"}', "Bill", State.VOIDED),
        ('{"Id":"1","TotalAmt":-0.0,"PrivateNote":"\\u0056oided"}', "Invoice", State.VOIDED),
        ('{"Id":"1","TotalAmt":0,"PrivateNote":"Voided","SyncToken":4}', "Invoice", State.VOIDED),
        (
            '{"Id":"1","TotalAmt":0,"PrivateNote":"Voided","Line":[{"Amount":0.0},{"Amount": 0}]}',
            "Invoice",
            State.VOIDED,
        ),
        # The total of an entry is 0 whatever it books, and credits settle without money.
        (
            '{"Id":"1","TotalAmt":0,"PrivateNote":"Voided check 7","Line":[{"Amount":0},{"Amount":-0.05}]}',
            "JournalEntry",
            State.ACTIVE,
        ),
        (
            '{"Id":"1","TotalAmt":0,"PrivateNote":"Voided twice","SyncToken":4,"Line":[{"Amount" : 20}]}',
            "BillPayment",
            State.ACTIVE,
        ),
        # A transfer has an amount and no total, a working time neither.
        ('{"Id":"1","Amount":0,"PrivateNote":"Voided - rent"}', "Transfer", State.VOIDED),
        ('{"Id":"1","Amount":0.5,"PrivateNote":"Voided - rent"}', "Transfer", State.ACTIVE),
        ('{"Id":"1","Hours":0,"PrivateNote":"Voided"}', "TimeActivity", State.ACTIVE),
        ('{"Id":"1","TotalAmt":0}', "Invoice", State.ACTIVE),
        ('{"Id":"1","TotalAmt":1e-9,"PrivateNote":"Voided"}', "Invoice", State.ACTIVE),
        ('{"Id":"1","TotalAmt":0,"PrivateNote":"not Voided"}', "Invoice", State.ACTIVE),
        ('{"Id":"1","TotalAmt":0,"PrivateNote":"Voided"}', "Customer", State.ACTIVE),
    ],
)
def test_the_state_is_read_from_the_row(row: str, entity: str, state: State) -> None:
    (record,) = one(row.encode(), entity_type(entity)).records

    assert record.state is state


@pytest.mark.parametrize(
    "entity, state",
    [
        ("Invoice", State.DELETED),
        ("Customer", State.MERGED),
        ("PaymentMethod", State.MERGED),
        ("Budget", State.DELETED),
        ("Term", State.DELETED),
    ],
)
def test_a_tombstone_has_a_time_and_no_payload(entity: str, state: State) -> None:
    rows = one(
        b'{"domain":"QBO","status":"Deleted","Id":"979",'
        b'"MetaData":{"LastUpdatedTime":"2015-12-23T12:55:50-08:00"}}',
        entity_type(entity),
    )

    (grave,) = rows.tombstones
    assert (grave.id, grave.state, grave.payload) == ("979", state, None)
    assert grave.last_updated_at == datetime(2015, 12, 23, 20, 55, 50, tzinfo=UTC)


def test_a_template_is_keyed_by_the_object_it_wraps() -> None:
    row = b'{"Invoice":{"Id":"83","SyncToken":"1","RecurringInfo":{"Name":"Monthly"}}}'

    (record,) = one(row, entity_type("RecurringTransaction")).records

    assert (record.id, record.sync_token, record.payload) == ("83", "1", row)


def test_rows_without_an_id_of_their_own_get_their_natural_key() -> None:
    rate = b'{"SourceCurrencyCode":"EUR","TargetCurrencyCode":"USD","AsOfDate":"2026-11-01"}'

    assert one(rate, entity_type("ExchangeRate")).records[0].id == "EUR/USD/2026-11-01"
    assert one(b'{"Rate":1}', entity_type("Preferences")).records[0].id == "1"
    assert one(b'{"Id":"9"}', entity_type("Preferences")).records[0].id == "9"


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_list_that_is_cut_off_is_never_half_read(cut: int) -> None:
    whole = b'[{"Id":"1","x":[NaN]},{"Id":"2"}]'

    with pytest.raises(ValueError, match=r"."):
        read(whole[:-cut])


def test_a_byte_order_mark_is_skipped() -> None:
    assert members_of(b'\xef\xbb\xbf{"a": 1 }') == {"a": b"1"}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters='"\\',
                                             min_codepoint=32)), json_values))  # fmt: skip
def test_the_lenient_scan_agrees_with_the_fast_path(value: dict[str, object]) -> None:
    text = json.dumps(value).encode()

    assert json_scan.members(text) == members_of(text)


def test_reading_a_page_calls_hardly_any_python_per_row() -> None:
    line = {"Id": "1", "Amount": 20.02, "DetailType": "SalesItemLineDetail",
            "SalesItemLineDetail": {"ItemRef": {"value": "3", "name": "Concrete"}, "Qty": 1}}  # fmt: skip
    rows = [
        {"Id": str(i), "SyncToken": "0", "TotalAmt": 100.1, "PrivateNote": "hello",
         "MetaData": {"CreateTime": f"2026-03-{1 + i % 28:02}T10:00:{i % 60:02}-08:00",
                      "LastUpdatedTime": f"2026-04-{1 + i % 28:02}T10:{i % 60:02}:00-07:00"},
         "Line": [line] * 8}
        for i in range(1000)
    ]  # fmt: skip
    array = json.dumps(rows).encode()
    read(array)

    calls = python_calls(lambda: read(array))

    assert calls < 25 * len(rows)
