from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.webhooks import parse as payload
from ledgerguard_pipeline.webhooks.parse import parse
from ledgerguard_pipeline_tests.webhooks.deliveries import REALM, Change, cloud_events, legacy


def meaning(event: ChangeEvent) -> tuple[object, ...]:
    return (
        event.realm_id,
        event.entity,
        event.object_id,
        event.operation,
        event.occurred_at,
        event.absorbed_id,
    )


EVERYTHING = [
    Change("Invoice", "1", "Create"),
    Change("SalesReceipt", "2", "Update"),
    Change("Payment", "3", "Delete"),
    Change("Customer", "4", "Merge", absorbed="27"),
    Change("BillPayment", "5", "Void", realm="9341453474484456"),
    Change("Estimate", "6", "Emailed"),
    Change("Currency", "7", "Create"),
]


def test_both_shapes_say_the_same() -> None:
    modern, old = parse(cloud_events(EVERYTHING)), parse(legacy(EVERYTHING))
    assert (modern.shape, old.shape) == ("cloudevents", "legacy")
    assert modern.unreadable == old.unreadable == []
    assert sorted(map(meaning, modern.events)) == sorted(map(meaning, old.events))
    assert [event.operation for event in modern.events] == [
        Operation.CREATE,
        Operation.UPDATE,
        Operation.DELETE,
        Operation.MERGE,
        Operation.VOID,
        Operation.EMAILED,
        Operation.CREATE,
    ]
    assert modern.events[3].absorbed_id == "27"
    assert modern.events[6].entity == "CompanyCurrency"


def test_one_delivery_may_hold_several_companies() -> None:
    realms = {event.realm_id for event in parse(cloud_events(EVERYTHING)).events}
    assert realms == {REALM, "9341453474484456"}


def test_an_event_keeps_intuits_id_or_gets_a_lasting_one() -> None:
    (reported,) = parse(cloud_events([Change(event_id="88cd52aa-33b6")])).events
    assert reported.event_id == "88cd52aa-33b6"
    (made,) = parse(legacy([Change()])).events
    assert made.event_id == parse(legacy([Change()])).events[0].event_id
    assert made.event_id.startswith("made-")


@pytest.mark.parametrize("shape", [cloud_events, legacy])
def test_a_repeated_delivery_repeats_the_identities(shape: type) -> None:
    assert [event.key for event in parse(shape(EVERYTHING)).events] == [
        event.key for event in parse(shape(EVERYTHING)).events
    ]
    keys = {event.key for event in parse(shape(EVERYTHING)).events}
    assert len(keys) == len(EVERYTHING)


def test_an_id_used_twice_by_mistake_hides_no_change() -> None:
    one, other = parse(
        cloud_events([Change(id="1", event_id="same"), Change(id="2", event_id="same")])
    ).events
    assert one.key != other.key


def test_changes_without_a_time_are_distinguished_by_their_deliveries() -> None:
    first, second = legacy([Change(time=None)]), legacy([Change(time=None)]) + b" "
    assert parse(first).events[0].key != parse(second).events[0].key
    assert parse(first).events[0].key == parse(first).events[0].key


@pytest.mark.parametrize(
    "text,instant",
    [
        ("2025-09-10T21:31:25.179851517Z", datetime(2025, 9, 10, 21, 31, 25, 179851, UTC)),
        ("2025-12-04T15:25:05Z", datetime(2025, 12, 4, 15, 25, 5, tzinfo=UTC)),
        ("2025-12-04T15:25:05", datetime(2025, 12, 4, 15, 25, 5, tzinfo=UTC)),
        ("2025-12-04T07:25:05-08:00", datetime(2025, 12, 4, 15, 25, 5, tzinfo=UTC)),
        (" 2025-12-04 15:25:05.1+00:00", datetime(2025, 12, 4, 15, 25, 5, 100_000, UTC)),
        ("0001-01-01T00:00:00+23:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_of_any_precision_are_read_and_garbage_costs_nothing(
    text: str, instant: datetime | None
) -> None:
    (event,) = parse(cloud_events([Change(time=text)])).events
    assert event.occurred_at == instant


def test_data_may_be_missing_null_or_something_else() -> None:
    for data in (
        "",
        ', "data": null',
        ', "data": []',
        ', "data": {"x": {"y": 1}}',
        ', "data": "x"',
    ):
        body = (
            '[{"id": "1", "type": "qbo.invoice.created.v1", "intuitentityid": "5",'
            f' "intuitaccountid": "{REALM}"{data}}}]'
        )
        assert [event.object_id for event in parse(body.encode()).events] == ["5"], data


def test_padded_and_numeric_ids_name_the_object() -> None:
    body = (
        '[{"id": 7, "type": "QBO.Employee.Updated.v2", "intuitentityid": "000055",'
        f' "intuitaccountid": {REALM}}}]'
    )
    (event,) = parse(body.encode()).events
    assert (event.entity, event.object_id, event.realm_id) == ("Employee", "55", REALM)
    assert event.event_id.startswith("made-")


def test_unknown_types_and_operations_are_kept_as_events() -> None:
    body = [
        {"id": "1", "type": "qbo.hologram.created.v1", "intuitentityid": "1"},
        {"id": "2", "type": "qbo.invoice.teleported.v1", "intuitentityid": "1"},
    ]
    for each in body:
        each["intuitaccountid"] = REALM
    strange, operation = parse(json.dumps(body).encode()).events
    assert strange.entity_type is None
    assert strange.entity == "hologram"
    assert operation.operation is Operation.OTHER
    assert operation.entity == "Invoice"


def test_a_bad_event_does_not_cost_its_neighbours() -> None:
    good = json.loads(cloud_events([Change(id="1"), Change(id="2")]))
    body = json.dumps([good[0], 5, None, {"type": "x"}, {}, good[1]]).encode()
    delivered = parse(body)
    assert [event.object_id for event in delivered.events] == ["1", "2"]
    assert len(delivered.unreadable) == 4
    assert all(each.reason and each.excerpt.isprintable() for each in delivered.unreadable)
    assert len({each.key for each in delivered.unreadable}) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"null",
        b'"text"',
        b"{}",
        b'{"eventNotifications": null}',
        b'{"eventNotifications": [{"realmId": "../../etc"}]}',
        b'{"eventNotifications": [{"realmId": "1"}]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        (
            b'[{"type": "qbo.invoice.created.v1", "intuitentityid": "x\'; drop", '
            b'"intuitaccountid": "1"}]'
        ),
        (
            b'[{"type": "qbo.invoice.created.v1", "intuitentityid": "\\u0000", '
            b'"intuitaccountid": "1"}]'
        ),
    ],
)
def test_junk_becomes_a_reason_instead_of_an_error(body: bytes) -> None:
    delivered = parse(body)
    assert delivered.events == []
    assert delivered.unreadable
    assert all(each.reason.isprintable() for each in delivered.unreadable)


def test_a_deeply_nested_neighbour_costs_only_itself() -> None:
    (good,) = json.loads(cloud_events([Change(id="1")]))
    deep = b"[" * 100_000 + b"]" * 100_000
    delivered = parse(b"[" + json.dumps(good).encode() + b"," + deep + b"]")
    assert [event.object_id for event in delivered.events] == ["1"]
    assert len(delivered.unreadable) == 1


def test_a_flood_of_parts_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MOST_EVENTS", 5)
    many = parse(cloud_events([Change(id=str(each)) for each in range(1, 9)]))
    assert len(many.events) == 5
    assert ["more than 5" in each.reason for each in many.unreadable] == [True]
    junk = parse(b"[" + b"1," * 5000 + b"1]")
    assert len(junk.unreadable) == payload.MOST_UNREADABLE + 1
    assert "raw body" in junk.unreadable[-1].reason


def test_a_byte_order_mark_and_a_lone_object_are_tolerated() -> None:
    array = cloud_events([Change()])
    assert len(parse(b"\xef\xbb\xbf" + array).events) == 1
    assert len(parse(array.strip()[1:-1]).events) == 1


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"[{text}]".encode()))
def test_no_bytes_whatever_raise(body: bytes) -> None:
    delivered = parse(body)
    assert delivered.events == [] or delivered.shape != "unknown"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "id", "intuitentityid", "intuitaccountid", "time", "data", "realmId",
             "eventNotifications", "dataChangeEvent", "entities", "name", "operation"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@given(_JSON)
def test_no_document_whatever_raises(document: object) -> None:
    delivered = parse(json.dumps(document).encode())
    assert len({each.key for each in delivered.unreadable}) == len(delivered.unreadable)
