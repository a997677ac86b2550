"""A JournalReport as large as Intuit lets it be, into the table of the journal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from ledgerguard_pipeline.reports.cut import why_cut
from ledgerguard_pipeline.reports.journal import read_journal
from ledgerguard_pipeline.reports.shape import read_shape
from ledgerguard_pipeline.silver.books_tables import JOURNAL
from ledgerguard_pipeline.tieout.journal_store import JournalStore, LoadedPart
from ledgerguard_pipeline.tieout.labels import ENTITY_OF

REALM = "9341453474484455"
START, END = date(2026, 5, 1), date(2026, 10, 31)
_COLUMNS = (
    "tx_date",
    "txn_type",
    "doc_num",
    "name",
    "memo",
    "account_name",
    "debt_amt",
    "credit_amt",
)
_LEGS = 4
_ROWS_A_STATEMENT = 1_000


def made_up_report(rows: int) -> bytes:
    """A JournalReport of so many legs, four a transaction, 8 cells each, in the shape of 2026."""
    draw = Random(1)  # noqa: S311  # reproducible figures
    listed: list[dict[str, Any]] = []
    for number in range(rows // _LEGS):
        day = date.fromordinal(START.toordinal() + number % 184).isoformat()
        shares = [draw.randrange(100, 90_000) for _ in range(_LEGS - 1)]
        party = draw.randrange(1, 2_000)
        for at, cents in enumerate([sum(shares), *shares]):
            amount = f"{cents // 100}.{cents % 100:02}"
            account = 84 if not at else 10 + draw.randrange(60)
            cells = [
                {"value": day},
                {"value": "Invoice", "id": str(number + 1)},
                {"value": str(1000 + number)},
                {"value": f"Customer {party}", "id": str(party)},
                {"value": f"Garden work, part {at}"},
                {"value": f"Landscaping Services:Account {account}", "id": str(account)},
                {"value": amount if not at else ""},
                {"value": amount if at else ""},
            ]
            listed.append({"ColData": cells, "type": "Data"})
    return json.dumps(
        {
            "Header": {
                "ReportName": "JournalReport",
                "StartPeriod": START.isoformat(),
                "EndPeriod": END.isoformat(),
                "Currency": "USD",
                "Option": [{"Name": "NoReportData", "Value": "false"}],
            },
            "Columns": {
                "Column": [
                    {
                        "ColTitle": name,
                        "ColType": "String",
                        "MetaData": [{"Name": "ColKey", "Value": name}],
                    }
                    for name in _COLUMNS
                ]
            },
            "Rows": {"Row": listed},
        },
        separators=(",", ":"),
    ).encode()


def ours(payload: bytes, store: JournalStore) -> int:
    """Bytes to committed rows, as the product does it."""
    report = read_shape(payload)
    why_cut(report)
    reading = read_journal(report)
    part = LoadedPart("made-up", START, END, reading.transactions)
    return store.replace(REALM, START, END, [part], None)


def loops(payload: bytes, file: Path) -> int:
    """The same rows with ``json``, loops of Python and INSERTs of a thousand rows."""
    rows = _rows(payload)
    with _emptied(file) as connection:
        one = f"({', '.join('?' for _ in JOURNAL.types)})"
        for first in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[first : first + _ROWS_A_STATEMENT]
            connection.execute(
                f"INSERT INTO silver.journal VALUES {', '.join([one] * len(part))}",
                [value for row in part for value in row],
            )
        connection.execute("COMMIT")
    return len(rows)


def frames(payload: bytes, file: Path) -> int:
    """The same with ``json``, loops of Python and one INSERT from a pandas frame."""
    import pandas as pd

    rows = _rows(payload)
    frame = pd.DataFrame(rows, columns=list(JOURNAL.types))
    with _emptied(file) as connection:
        connection.register("frame", frame)
        connection.execute("INSERT INTO silver.journal SELECT * FROM frame")
        connection.execute("COMMIT")
    return len(rows)


def _emptied(file: Path) -> duckdb.DuckDBPyConnection:
    """The table in a file of its own, in a transaction that forgot its rows."""
    connection = duckdb.connect(str(file))
    connection.execute("CREATE SCHEMA IF NOT EXISTS silver")
    connection.execute(f"CREATE TABLE IF NOT EXISTS silver.journal ({JOURNAL.definition})")
    connection.execute("BEGIN TRANSACTION")
    connection.execute("DELETE FROM silver.journal WHERE realm_id = ?", [REALM])
    return connection


def _rows(payload: bytes) -> list[tuple[object, ...]]:
    answer = json.loads(payload)
    keys = [
        next(pair["Value"] for pair in column["MetaData"] if pair["Name"] == "ColKey")
        for column in answer["Columns"]["Column"]
    ]
    rows: list[tuple[object, ...]] = []
    seen: dict[tuple[str, str], int] = {}
    for row in answer["Rows"]["Row"]:
        cells = dict(zip(keys, row["ColData"], strict=True))
        kind, id = cells["txn_type"]["value"], cells["txn_type"]["id"]
        day = date.fromisoformat(cells["tx_date"]["value"])
        debit = Decimal(cells["debt_amt"]["value"] or "0")
        credit = Decimal(cells["credit_amt"]["value"] or "0")
        number = seen[kind, id] = seen.get((kind, id), -1) + 1
        account = cells["account_name"]
        rows.append(
            (
                REALM, kind, ENTITY_OF.get(kind), id, day, day, cells["doc_num"]["value"],
                cells["name"]["id"], number, account["id"], account["value"],
                cells["memo"]["value"], debit, credit, debit - credit, "made-up",
            )
        )  # fmt: skip
    return rows


def timed(name: str, work: Callable[[], int]) -> tuple[float, int]:
    """Seconds and rows."""
    began = time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - began
    sys.stderr.write(f"  {name}: {rows:,} legs in {seconds:.2f} s\n")
    return seconds, rows
