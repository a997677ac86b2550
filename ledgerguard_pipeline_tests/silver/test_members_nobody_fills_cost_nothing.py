"""Only members that payloads have are looked for, and what is read is the same."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ledgerguard_pipeline.silver.decode import names_in_use
from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.decode.names_in_use import NamesInUse
from ledgerguard_pipeline.silver.decode.rows import Decoded
from ledgerguard_pipeline.silver.decode.shape import parsed_type
from ledgerguard_pipeline.silver.layout import EntityTables, tables_of

PUBLISHED = json.loads(
    (Path(__file__).parent / "samples" / "published.json").read_text(encoding="utf-8")
)
MANY = 600
INVOICE = tables_of("Invoice")


def many(*payloads: str) -> pa.Array:
    """These payloads, again and again."""
    return pa.array([payloads[at % len(payloads)] for at in range(MANY)])


def rows(tables: EntityTables, found: Decoded) -> dict[str, list[dict[str, object]]]:
    read = {}
    for table in tables.tables:
        decoded = found.table(table.name)
        if decoded is not None:
            read[table.name] = decoded.sort_by("row").to_pylist()
    return read


@pytest.mark.parametrize("entity", sorted(PUBLISHED))
def test_published_objects_are_read_alike(entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_of(entity)
    payloads = many(*(json.dumps(each, ensure_ascii=False) for each in PUBLISHED[entity]))
    narrowed = decode(tables, payloads)
    monkeypatch.setattr(names_in_use, "_TOO_FEW", MANY + 1)
    whole = decode(tables, payloads)
    assert rows(tables, narrowed) == rows(tables, whole)
    assert sorted(narrowed.misfits) == sorted(whole.misfits)


def test_a_member_that_comes_late_is_read() -> None:
    names = NamesInUse(INVOICE.block)
    plain = '{"Id":"1","TotalAmt":5}'
    assert names.type_for(many(plain)) == pa.struct([("TotalAmt", pa.decimal128(38, 18))])
    late = many(*[plain] * 599, '{"Id":"2","TotalAmt":6,"Balance":1.5}')
    found = decode(INVOICE, late, names).table("invoice")
    assert found is not None
    balances = found.sort_by("row")["balance"].to_pylist()
    assert balances == [None] * 599 + [Decimal("1.5")]
    again = decode(INVOICE, many(plain), names).table("invoice")
    assert again is not None
    assert pc.sum(again["total_amt"]).as_py() == 5 * MANY


def test_a_name_that_is_spelt_with_escapes_is_read() -> None:
    escaped = many(*['{"TotalAmt":5}'] * 599, r'{"Tot\u0061lAmt":6}')
    assert NamesInUse(INVOICE.block).type_for(escaped) == parsed_type(INVOICE.block)
    found = decode(INVOICE, escaped).table("invoice")
    assert found is not None
    assert pc.sum(found["total_amt"]).as_py() == 5 * 599 + 6


def test_names_among_the_values_only_cost_time() -> None:
    payloads = many(
        *(json.dumps({"PrivateNote": name}) for name in ("Balance", "Line", "TotalAmt"))
    )
    found = decode(INVOICE, payloads).table("invoice")
    assert found is not None
    assert found.num_rows == MANY
    assert set(found["private_note"].to_pylist()) == {"Balance", "Line", "TotalAmt"}
