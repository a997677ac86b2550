"""Aging where customers stand below others: a section each, as companies of 2026 were seen to have them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from ledgerguard_pipeline.reports.balances import Aged, read_aging
from ledgerguard_pipeline.reports.shape import Report, UnreadableReport, read_shape

D = Decimal
Row = dict[str, object]
_COLUMNS = [
    {"ColTitle": "", "ColType": "Customer"},
    *({"ColTitle": title, "ColType": "Money"} for title in ("Current", "91 and over", "Total")),
]


def cells(name: str, id: str | None, *amounts: str) -> Row:
    named = {"value": name} if id is None else {"value": name, "id": id}
    return {"ColData": [named, *({"value": each} for each in amounts)]}


def section(head: Row, sums: tuple[str, ...], *inner: Row) -> Row:
    return {
        "Header": head,
        "Rows": {"Row": list(inner)},
        "Summary": cells("Total of it", None, *sums),
        "type": "Section",
    }


def report(*rows: Row, total: tuple[str, ...]) -> Report:
    grand = {
        "Summary": cells("TOTAL", None, *total),
        "type": "Section",
        "group": "GrandTotal",
    }
    body = {
        "Header": {"ReportName": "AgedReceivables"},
        "Columns": {"Column": _COLUMNS},
        "Rows": {"Row": [*rows, grand]},
    }
    return read_shape(json.dumps(body).encode())


AMY = cells("Amy", "1", "", "7.00", "7.00")
LANE = cells("Lane", "9", "85.00", "", "85.00")
ROAD = cells("Road", "8", "", "477.50", "477.50")


def aged(id: str, name: str, young: str, old: str) -> Aged:
    return Aged(id, name, (D(young), D(old)), D(young) + D(old))


@pytest.mark.parametrize(
    "head",
    [cells("Shop", "7", "10.00", "2.00", "12.00"), cells("Shop", "7", "", "", "")],
    ids=["stated in the header", "stated in the sum only"],
)
def test_what_one_owes_itself_stands_beside_what_those_below_owe(head: Row) -> None:
    shop = section(head, ("95.00", "479.50", "574.50"), ROAD, LANE)
    reading = read_aging(report(AMY, shop, total=("95.00", "486.50", "581.50")))
    assert reading.parties == [
        aged("1", "Amy", "0", "7"),
        aged("7", "Shop", "10", "2"),
        aged("8", "Road", "0", "477.50"),
        aged("9", "Lane", "85", "0"),
    ]
    assert reading.total == D("581.50")


def test_one_who_owes_nothing_himself_has_no_row_however_deep_others_lie_below() -> None:
    street = section(cells("Street", "5", "", "", "0.00"), ("85.00", "", "85.00"), LANE)
    shop = section(cells("Shop", "7", "", "", "0.00"), ("85.00", "477.50", "562.50"), ROAD, street)
    reading = read_aging(report(shop, total=("85.00", "477.50", "562.50")))
    assert [each.id for each in reading.parties] == ["8", "9"]


def test_a_section_is_not_taken_for_the_total() -> None:
    shop = section(cells("Shop", "7", "", "", "0.00"), ("85.00", "", "85.00"), LANE)
    found = report(AMY, shop, total=("", "", ""))
    lost = Report(**{**found.__dict__, "rows": found.rows[:-1]})
    assert read_aging(lost).total is None


@pytest.mark.parametrize(
    "rows, total, said",
    [
        ([AMY], ("", "9.00", "9.00"), "its total says 9.00, its rows say 7.00"),
        (
            [section(cells("Shop", "7", "", "2.00", "2.00"), ("85.00", "", "85.00"), LANE)],
            ("85.00", "", "85.00"),
            "what is below 7 does not add up to its sum",
        ),
        (
            [section(cells("Shop", "7", "", "", ""), ("85.00", "", "80.00"), LANE)],
            ("85.00", "", "85.00"),
            "the buckets of 7 do not add up",
        ),
        ([section({"ColData": [{"value": "Shop", "id": "7"}]}, ("", "", ""), LANE)], ("", "", ""), "a row of 1 cells"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_unreadable(
    rows: list[Row], total: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UnreadableReport, match=said):
        read_aging(report(*rows, total=total))
