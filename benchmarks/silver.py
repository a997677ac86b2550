"""Silver from Bronze: payloads that are there already become header and line tables."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.figures import Role, Sample, Task
from benchmarks.process import BenchFailed, clean_environment, run
from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import Environment, Mode, Record, Source, State

REALM = "9341453474484455"
_CONTENDERS = Path(__file__).parent / "contenders"
_ROWS_A_COMMIT = 20_000
_MADE = 100_000
"""So many different invoices are made; more are copies of them under other ids."""
_LARGE = 1_000_000
"""From so many on there is one round: it takes minutes."""
_NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def build(invoices: int, runs: int) -> Task:
    """Everything from Bronze payloads to tables, each in a process of its own."""
    runs = 1 if invoices >= _LARGE else runs
    task = Task(
        f"silver {invoices}",
        f"Silver of {invoices:,} invoices with 5 lines, from Bronze payloads to all tables, exact",
        "Seconds are the work itself: reading Bronze, decoding, inserting, committing and closing "
        "the file. Both fill the same tables with the same columns.",
    )
    with TemporaryDirectory(prefix="ledgerguard-silver-") as name:
        folder = Path(name)
        bronze = folder / "books.duckdb"
        fill(bronze, invoices)
        indexes = [
            (task.line("msgspec with Decimal + pyarrow", Role.LOADS), "silver_msgspec.py"),
            (task.line("this project", Role.OURS), "silver_ours.py"),
        ]
        for round_ in range(runs):
            for line, script in indexes:
                own = Path(shutil.copy(bronze, folder / "own.duckdb"))
                line.samples.append(_sample(script, own, folder, invoices))
                own.unlink()
                said = f"  {round_ + 1}  {line.name}: {line.samples[-1].seconds:.2f} s\n"
                sys.stderr.write(said)
    return task


def one_change(invoices: int, runs: int) -> Task:
    """One changed invoice among many: what Silver adds to the commit of Bronze.

    A Silver of its own is built before.
    """
    task = Task(
        f"silver change {invoices}",
        f"One changed invoice among {invoices:,}",
        "Seconds of one commit in a process that has made one before, opening to closing the file.",
    )
    with TemporaryDirectory(prefix="ledgerguard-silver-") as name:
        folder = Path(name)
        bronze = folder / "books.duckdb"
        fill(bronze, invoices)
        _sample("silver_ours.py", bronze, folder, invoices)
        for said, silver in (("Bronze alone", False), ("Bronze and Silver", True)):
            line = task.line(said, Role.OURS)
            for _ in range(runs):
                line.samples.append(_sample("silver_change.py", bronze, folder, 1, silver=silver))
                sys.stderr.write(f"  {said}: {line.samples[-1].seconds:.3f} s\n")
    return task


def fill(path: Path, invoices: int) -> None:
    """A Bronze file with this many invoices and no Silver."""
    store = BronzeStore(path, Environment.SANDBOX)
    made = min(invoices, _MADE)
    payloads = documents(made)
    number = 0
    while number < made:
        count = min(_ROWS_A_COMMIT, made - number)
        records = [
            record(number + at, next(payloads), _NOON + timedelta(seconds=number + at))
            for at in range(count)
        ]
        commit(store, records, f"load-{number}")
        number += count
    if invoices > made:
        _copy(path, made, invoices)


def _copy(path: Path, made: int, invoices: int) -> None:
    """The same invoices under other ids, until there are enough."""
    with duckdb.connect(":memory:", config={"memory_limit": "384MB"}) as connection:
        connection.execute(f"ATTACH '{path}' AS books (ROW_GROUP_SIZE 10240)")
        for first in range(made, invoices, made):
            connection.execute(
                "INSERT INTO books.bronze.invoice SELECT * REPLACE (CAST(CAST(id AS BIGINT) + ? "
                "AS VARCHAR) AS id) FROM books.bronze.invoice WHERE CAST(id AS BIGINT) <= ?",
                [first, min(made, invoices - first)],
            )


def commit(store: BronzeStore, records: list[Record], load_id: str) -> None:
    """One load of invoices."""
    store.commit(
        [
            Load(
                load_id=load_id,
                realm_id=REALM,
                entity=entity_type("Invoice"),
                mode=Mode.FULL,
                run_id=None,
                records=records,
                started_at=_NOON,
                watermark=_NOON,
            )
        ]
    )


def record(number: int, payload: str, changed: datetime) -> Record:
    """One invoice as it is read."""
    return Record(
        id=str(number + 1),
        sync_token="0",
        state=State.ACTIVE,
        created_at=_NOON,
        last_updated_at=changed,
        payload=payload.encode(),
        source=Source.QUERY,
        request_id="tid",
        fetched_at=changed,
    )


def documents(count: int, seed: int = 1) -> Iterator[str]:
    """Invoices as QuickBooks shows them: five lines, a sub-total, tax, addresses, a link."""
    draw = Random(seed)  # noqa: S311  # reproducible figures
    for number in range(count):
        prices = [draw.randrange(100, 90_000) for _ in range(5)]
        total = sum(prices)
        lines = [
            {
                "Id": str(at + 1),
                "LineNum": at + 1,
                "Description": f"Garden work, part {at + 1}",
                "Amount": price / 100,
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": {"value": str(draw.randrange(1, 60)), "name": "Design:Garden"},
                    "UnitPrice": price / 100,
                    "Qty": 1,
                    "TaxCodeRef": {"value": "TAX"},
                },
            }
            for at, price in enumerate(prices)
        ]
        lines.append(
            {"Amount": total / 100, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
        )
        tax = total * 8 // 100
        customer = draw.randrange(1, 2_000)
        yield json.dumps(
            {
                "AllowOnlineACHPayment": False,
                "Deposit": 0,
                "domain": "QBO",
                "sparse": False,
                "Id": str(number + 1),
                "SyncToken": "0",
                "MetaData": {
                    "CreateTime": "2026-03-01T04:00:00-08:00",
                    "LastUpdatedTime": "2026-03-01T04:00:00-08:00",
                },
                "DocNumber": str(1000 + number),
                "TxnDate": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}",
                "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
                "LinkedTxn": [{"TxnId": str(number), "TxnType": "Payment"}],
                "Line": lines,
                "TxnTaxDetail": {"TotalTax": tax / 100},
                "CustomerRef": {"value": str(customer), "name": f"Customer {customer}"},
                "BillAddr": {"Id": str(customer), "Line1": f"{customer} Main St.", "City": "Napa"},
                "SalesTermRef": {"value": "3", "name": "Net 30"},
                "DueDate": "2026-12-31",
                "TotalAmt": (total + tax) / 100,
                "ApplyTaxAfterDiscount": False,
                "PrintStatus": "NeedToPrint",
                "EmailStatus": "NotSet",
                "Balance": (total + tax) / 100,
            },
            separators=(",", ":"),
        )


def _sample(script: str, bronze: Path, folder: Path, rows: int, **more: object) -> Sample:
    root = str(_CONTENDERS.parents[1])
    done = run(
        [sys.executable, str(_CONTENDERS / script)],
        environment={**clean_environment(), "PYTHONPATH": root},
        folder=folder,
        order={"path": str(bronze), **more},
    )
    said = done.last_line()
    seconds = said["seconds"]
    if said["rows"] != rows or not isinstance(seconds, float):
        raise BenchFailed(f"{script} said {said}, not {rows} rows.")
    sys.stderr.write(f"  {script}: CPU {done.cpu_seconds:.2f} s\n")
    return Sample(seconds, rows, 0, 0, 0, done.seconds, done.peak_mb)


def tables(sizes: tuple[int, ...], runs: int) -> Iterator[Task]:
    """All of it at each size."""
    for invoices in sizes:
        yield build(invoices, runs)
        yield one_change(invoices, runs)
