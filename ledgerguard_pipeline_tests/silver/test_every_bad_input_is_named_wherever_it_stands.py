"""Bad values in headers, lines and references of several types, read in either way."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at

COUNT = 17
"""So many payloads are read in columns, all of them but the bad one."""
MANY = 600
"""Of so many only the members that they have are read."""

SALE, COST, ENTRY = "SalesItemLineDetail", "AccountBasedExpenseLineDetail", "JournalEntryLineDetail"
MEMBERS = {
    "Invoice": ("TotalAmt", "TxnDate", "CustomerRef", SALE),
    "Bill": ("Balance", "DueDate", "VendorRef", COST),
    "JournalEntry": ("TxnTaxDetail.TotalTax", "TxnDate", "CurrencyRef", ENTRY),
    "Payment": ("UnappliedAmt", "TxnDate", "DepositToAccountRef", None),
    "Customer": ("BalanceWithJobs", "OpenBalanceDate", "ParentRef", None),
    "TimeActivity": ("HourlyRate", "TxnDate", "EmployeeRef", None),
}
"""Per type a number, a date and a reference of its header, and the kind of its lines."""
DEEP = "[" * 3000 + "]" * 3000
NUMBERS = {
    '"a lot"': "a lot",
    "true": "true",
    "[1]": "[1]",
    '{"x":1}': '{"x":1}',
    "1" * 40: "1" * 40,
    "0." + "1" * 40: "0." + "1" * 40,
    "1e400": "1E+400",
    "1e-400": "1E-400",
    r'"\ud83d"': r"\ud83d",
    DEEP: DEEP[:200] + "...",
}
DATES = {
    '"2024-02-30"': "2024-02-30",
    '"0000-01-01"': "0000-01-01",
    '"10000-01-01"': "10000-01-01",
    "20240229": "20240229",
    '"soon"': "soon",
    "{}": "{}",
}
REFERENCES = {
    '{"name":"Ann"}': '{"name":"Ann"}',
    '{"value":"","name":"Ann"}': '{"value":"","name":"Ann"}',
    '{"value":null,"name":"Ann"}': '{"value":null,"name":"Ann"}',
    '"7"': "7",
    "[]": "[]",
    r'{"name":"\ud83d"}': r'{"name":"\ud83d"}',
}


def nested(path: str, value: str) -> str:
    for name in reversed(path.split(".")):
        value = f'{{"{name}":{value}}}'
    return value[1:-1]


def read(
    entity: str, payload: str, *, among: int
) -> tuple[dict[str, object], set[tuple[str, str]]]:
    """The header's row and the misfits of a payload that is read beside ``among`` good ones."""
    tables = tables_of(entity_type(entity))
    found = decode(tables, pa.array(['{"Id":"1"}'] * among + [payload]))
    rows = found.table(tables.header.name)
    assert rows is not None
    (row,) = rows.filter(pc.equal(rows["row"], among)).to_pylist()
    assert {each.row for each in found.misfits} <= {among}
    return row, {(each.path, each.text) for each in found.misfits}


@pytest.mark.parametrize("among", [0, COUNT], ids=["alone", "among good ones"])
@pytest.mark.parametrize("entity", MEMBERS)
def test_a_bad_value_of_a_header_is_named_and_the_rest_is_read(entity: str, among: int) -> None:
    number, date, reference, _ = MEMBERS[entity]
    cases = [(number, *case) for case in NUMBERS.items()]
    cases += [(date, *case) for case in DATES.items()]
    cases += [(reference, *case) for case in REFERENCES.items()]
    for path, value, text in cases:
        row, misfits = read(entity, f'{{"Id":"1",{nested(path, value)}}}', among=among)
        other = reference if path != reference else "CurrencyRef"
        named = {where for where, _ in misfits}
        assert (path, text) in misfits or path in {where.rpartition(".")[0] for where in named}
        good = f'{{{nested(path, value)},"{other}":{{"value":"5"}}}}'
        row, _ = read(entity, good, among=among)
        column = f"{other.removesuffix('Ref').lower()}_id"
        if column in row:
            assert row[column] == "5"


@pytest.mark.parametrize("among", [0, COUNT, MANY], ids=["alone", "among good ones", "among many"])
@pytest.mark.parametrize("entity, kind", [(e, p[3]) for e, p in MEMBERS.items() if p[3]])
def test_a_bad_line_is_named_and_the_others_are_read(entity: str, kind: str, among: int) -> None:
    good = f'{{"Amount":1.5,"DetailType":"{kind}"}}'
    cases = [
        (f'{{"Amount":{value},"DetailType":"{kind}"}}', "Line[1].Amount", text)
        for value, text in NUMBERS.items()
    ]
    cases += [
        ('{"Amount":1}', "Line[1].DetailType", ""),
        ('{"DetailType":null}', "Line[1].DetailType", ""),
        ('{"DetailType":"Novel"}', "Line[1].DetailType", "Novel"),
        ('{"DetailType":7}', "Line[1].DetailType", "7"),
        ("null", "Line[1]", "null"),
        ("[]", "Line[1]", "[]"),
        (f'{{"DetailType":"{kind}","{kind}":[]}}', f"Line[1].{kind}", "[]"),
        (f'{{"DetailType":"{kind}","{kind}":7}}', f"Line[1].{kind}", "7"),
    ]
    tables = tables_of(entity_type(entity))
    for line, path, text in cases:
        payload = f'{{"Id":"1","Line":[{good},{line},{good}]}}'
        _, misfits = read(entity, payload, among=among)
        assert (path, text) in misfits, line
        lines = decode(tables, pa.array(['{"Id":"1"}'] * among + [payload])).table(
            f"{tables.header.name}_line"
        )
        assert lines is not None
        assert lines["amount"].to_pylist()[::2] == [Decimal("1.5"), Decimal("1.5")]
        assert lines.num_rows == 3


@pytest.mark.parametrize("among", [0, COUNT, MANY], ids=["alone", "among good ones", "among many"])
def test_what_only_looks_strange_is_read(among: int) -> None:
    cases: dict[str, tuple[str, object]] = {
        '"TotalAmt":1E+2': ("total_amt", Decimal(100)),
        '"TotalAmt":-0.00': ("total_amt", Decimal(0)),
        '"TotalAmt":0e99': ("total_amt", Decimal(0)),
        '"TotalAmt":99999999999999999999.999999999999999999': (
            "total_amt",
            Decimal("99999999999999999999.999999999999999999"),
        ),
        '"TotalAmt":1,"TotalAmt":2': ("total_amt", Decimal(2)),
        '"CustomerRef":{"value":7}': ("customer_id", "7"),
        '"CustomerRef":{"value":7.50}': ("customer_id", "7.50"),
        '"CustomerRef":{"value":"1","value":"2"}': ("customer_id", "2"),
        '"DocNumber":1037': ("doc_number", "1037"),
        '"CustomerRef":null': ("customer_id", None),
        '"Line":null': ("total_amt", None),
        '"TxnTaxDetail":null': ("total_tax", None),
        f'"Strange":{DEEP},"TotalAmt":5': ("total_amt", Decimal(5)),
        f'"TotalAmt":5,"Strange":{DEEP.replace("[", "{" + chr(34) + "a" + chr(34) + ":[").replace("]", "]}")}': (
            "total_amt",
            Decimal(5),
        ),
        f'"PrivateNote":"{"[" * 3000}"': ("private_note", "[" * 3000),
        r'"PrivateNote":"a\u0000b\ud83d\ude00"': ("private_note", "a\0b\U0001f600"),
    }
    for members, (column, value) in cases.items():
        row, misfits = read("Invoice", f"{{{members}}}", among=among)
        assert (row[column], misfits) == (value, set()), members[:60]


@pytest.mark.parametrize("entity", [*MEMBERS, "RecurringTransaction", "Preferences"])
@pytest.mark.parametrize(
    "payload", ["[1,2]", '"text"', "null", "7", "{", "", "[" * 3000, '{"a":' * 3000]
)
def test_what_is_no_object_is_a_row_without_values(entity: str, payload: str) -> None:
    for among in (0, COUNT):
        row, misfits = read(entity, payload, among=among)
        assert {path for path, _ in misfits} == {""}
        assert {value for name, value in row.items() if name != "row"} <= {None}


def test_nothing_stops_and_the_check_names_it(tmp_path: Path) -> None:
    """All of it in one commit, through Bronze, with good ones beside."""
    books = Books(store_at(tmp_path / "books.duckdb"))
    bad = {
        "no object": "[1,2]",
        "money": '{"TotalAmt":"a lot"}',
        "date": '{"TxnDate":"2024-02-30"}',
        "half a character": r'{"DocNumber":"\ud83d"}',
        "deep": f'{{"TotalAmt":{DEEP}}}',
        "NUL": r'{"PrivateNote":"a\u0000b"}',
    }
    good = {str(id): json.dumps({"TotalAmt": 1}) for id in range(COUNT)}
    books.write("Invoice", {**good, **bad})
    assert len(books.rows("invoice", "id")) == len(good) + len(bad)
    assert {id for id, _, _ in books.misfits()} == set(bad) - {"NUL"}
    assert books.rows("invoice", "private_note", where="id = 'NUL'") == [("a\0b",)]
    (found,) = check_company(books.store, [entity_type("Invoice")], REALM).values()
    failed = {each.check.name: each for each in found if not each.passed}
    assert failed["every_value_is_readable"].cases == 5
    assert "money TotalAmt: a lot" in failed["every_value_is_readable"].text


@pytest.mark.parametrize("among", [0, COUNT], ids=["alone", "among good ones"])
@pytest.mark.parametrize(
    "entity, payload, path",
    [
        ("Employee", '[{"Id":"1","SSN":"123-45-6789"}]', ""),
        ("Employee", '{"Id":"1","SSN" : "123-45-6789"', ""),
        (
            "BillPayment",
            '{"CreditCardPayment":[{"CCDetail":{"Number":"6789"}}]}',
            "CreditCardPayment",
        ),
        ("Customer", '{"CurrencyRef":{"name":"x","GSTIN":"6789"}}', "CurrencyRef"),
    ],
)
def test_a_misfit_is_shown_without_the_personal_numbers_in_it(
    entity: str, payload: str, path: str, among: int
) -> None:
    _, misfits = read(entity, payload, among=among)
    shown = dict(misfits)[path]
    assert shown.endswith("...")
    assert "6789" not in shown
