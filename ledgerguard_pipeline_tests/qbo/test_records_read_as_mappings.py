"""A record is Intuit's object to read: its fields by key, its numbers exact, its bytes beside."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline import exact
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.qbo.answers.payload import Origin, read_rows
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.values import Record, Source, State

ROW = (
    b'{"Id":"145","SyncToken":"3", "TotalAmt":1362.10 ,"Balance":0,"Rate":1E+2,"Zero":-0.0,'
    b'"Price":0.30000000000000004,"Huge":12345678901234567890.12,"Note":null,"Flag":true,'
    b'"Line":[{"Amount":100,"Detail":{"Qty":2.50}},{"Amount":1.1E+3}],"Name":"S\xc3\xb8n \\ud83d"'
    b"}"
)
ORIGIN = Origin(Source.QUERY, "tid", datetime(2026, 11, 28, tzinfo=UTC))


def record(row: bytes = ROW, entity: str = "Invoice") -> Record:
    rows = read_rows(b"[" + row + b"]", entity_type(entity), ORIGIN)
    (found,) = rows.records + rows.tombstones
    return found


@pytest.fixture
def invoice() -> Record:
    return record(ROW.replace(b" \\ud83d", b""))


def test_money_is_a_decimal_of_the_text_intuit_sent(invoice: Record) -> None:
    assert invoice["TotalAmt"] == Decimal("1362.10")
    assert str(invoice["TotalAmt"]) == "1362.10"
    assert str(invoice["Price"]) == "0.30000000000000004"
    assert str(invoice["Huge"]) == "12345678901234567890.12"
    assert str(invoice["Zero"]) == "-0.0"
    assert str(invoice["Balance"]) == "0"


def test_no_number_has_a_positive_exponent_at_any_depth(invoice: Record) -> None:
    assert str(invoice["Rate"]) == "100"
    assert [str(line["Amount"]) for line in invoice["Line"]] == ["100", "1100"]
    assert str(invoice["Line"][0]["Detail"]["Qty"]) == "2.50"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_a_number_keeps_its_value_whatever_its_form(value: Decimal) -> None:
    read = exact.number(str(value))
    assert read == value
    exponent = read.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent <= 0 or value.adjusted() >= 400


def test_texts_flags_and_nothing_come_as_what_they_are(invoice: Record) -> None:
    assert (invoice["Id"], invoice["Name"]) == ("145", "Søn")
    assert invoice["Flag"] is True
    assert invoice["Note"] is None


def test_it_is_a_mapping(invoice: Record) -> None:
    plain = json.loads(invoice.raw, parse_float=Decimal, parse_int=Decimal)
    assert isinstance(invoice, Mapping)
    assert dict(invoice) == invoice.as_dict() == plain
    assert list(invoice) == list(invoice.keys()) == list(plain)
    assert dict(invoice.items()) == plain
    assert list(invoice.values()) == list(plain.values())
    assert len(invoice) == len(plain)
    assert "Line" in invoice
    assert "Lines" not in invoice
    assert 3 not in invoice
    assert invoice.get("TotalAmt") == Decimal("1362.10")
    assert invoice.get("DocNumber") is None
    assert invoice.get("DocNumber", "-") == "-"
    with pytest.raises(KeyError, match="DocNumber"):
        invoice["DocNumber"]
    match invoice:
        case {"TotalAmt": total}:
            assert total == Decimal("1362.10")
        case _:
            pytest.fail("a mapping pattern must match")


def test_nothing_that_is_read_can_change_the_record(invoice: Record) -> None:
    before = invoice.raw
    invoice["Line"].clear()
    invoice.as_dict().clear()
    assert len(invoice["Line"]) == 2
    assert invoice.raw == before
    with pytest.raises(TypeError):
        invoice["TotalAmt"] = 1  # type: ignore[index]  # a record is read only
    with pytest.raises(AttributeError):
        invoice.id = "146"  # type: ignore[misc]  # the same


def test_the_bytes_are_the_ones_intuit_sent(invoice: Record) -> None:
    assert invoice.raw is invoice.payload
    assert b'"TotalAmt":1362.10 ,' in invoice.raw


def test_of_a_key_sent_twice_the_last_value_counts() -> None:
    twice = record(b'{"Id":"1","TotalAmt":1.00,"TotalAmt":2.00}')
    assert str(twice["TotalAmt"]) == "2.00"
    assert len(twice) == 2
    assert twice.as_dict()["TotalAmt"] == Decimal("2.00")


def test_a_template_shows_what_it_wraps() -> None:
    template = record(b'{"Invoice":{"Id":"7","TotalAmt":5.10}}', "RecurringTransaction")
    assert template.id == "7"
    assert str(template["Invoice"]["TotalAmt"]) == "5.10"


def test_a_tombstone_has_no_fields_and_is_a_record_all_the_same() -> None:
    grave = record(b'{"Id":"9","status":"Deleted"}')
    assert grave.state is State.DELETED
    assert (len(grave), list(grave), grave.raw, grave.as_dict()) == (0, [], b"", {})
    assert grave.get("TotalAmt") is None
    assert grave


def test_a_field_asked_for_as_an_attribute_gets_a_sentence(invoice: Record) -> None:
    with pytest.raises(AttributeError, match=r"read by key, as in record\['TotalAmt'\]"):
        _ = invoice.TotalAmt  # type: ignore[attr-defined]  # what a newcomer tries
    assert not hasattr(invoice, "__array__")


def test_what_is_shown_of_a_record_is_nobodys_books(invoice: Record) -> None:
    for shown in (repr(invoice), str(invoice), f"{[invoice]}", str(invoice.__rich_repr__())):
        assert "145" in shown
        assert "Søn" not in shown
        assert "1362" not in shown


def test_records_are_values(invoice: Record) -> None:
    again = record(invoice.raw)
    assert again == invoice
    assert hash(again) == hash(invoice)
    for copied in (pickle.loads(pickle.dumps(invoice)), copy.deepcopy(invoice)):  # noqa: S301
        assert copied == invoice
        assert copied["TotalAmt"] == Decimal("1362.10")


def test_records_become_a_frame_with_exact_money(invoice: Record) -> None:
    frame = pd.DataFrame([invoice, record(b'{"Id":"146","TotalAmt":7}')])
    assert list(frame["TotalAmt"]) == [Decimal("1362.10"), Decimal(7)]
    assert sum(frame["TotalAmt"]) == Decimal("1369.10")


def test_every_row_of_a_company_reads_as_json_reads_it() -> None:
    company = build_company(realm_id="9341453474484455", seed=3, invoices=20, name="Acme")
    read = 0
    for name in ("Invoice", "Customer", "Item", "Preferences", "RecurringTransaction"):
        table = company.tables[name]
        for row in table.rows.values():
            body = table.body(row)
            assert record(body, name).as_dict() == json.loads(
                body, parse_float=Decimal, parse_int=Decimal
            )
            read += 1
    assert read > 20


def test_bytes_that_are_no_object_say_so() -> None:
    broken = Record(
        "5", "0", State.ACTIVE, None, None, b"[1]", Source.QUERY, None, ORIGIN.fetched_at
    )
    with pytest.raises(ValueError, match="Record '5' has no fields to read"):
        len(broken)
