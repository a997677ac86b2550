"""Measured, not part of the ordinary run: ``pytest -m bench -s`` on this file."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.values import Record, Source, State
from ledgerguard_pipeline_tests.bronze.records import NOON, after, load

ROWS = 10_000
LINES = ",".join(
    f'{{"Id":"{at}","LineNum":{at},"Amount":{at}9.50,"DetailType":"SalesItemLineDetail",'
    f'"Description":"Consulting, part {at}","SalesItemLineDetail":{{"ItemRef":{{"value":"{at}",'
    f'"name":"Item {at}"}},"UnitPrice":9.50,"Qty":{at},"TaxCodeRef":{{"value":"NON"}}}}}}'
    for at in range(1, 6)
)


def _rows(chunk: int) -> list[Record]:
    read = datetime.now(UTC)
    return [
        Record(
            str(id),
            "0",
            State.ACTIVE,
            NOON,
            NOON,
            f'{{"Id":"{id}","DocNumber":"{id * 7}","Line":[{LINES}],"TotalAmt":{id}.10,'
            f'"CustomerRef":{{"value":"{id % 997}","name":"Customer {id % 997}"}}}}'.encode(),
            Source.QUERY,
            "tid",
            read,
        )
        for id in range(chunk * ROWS, (chunk + 1) * ROWS)
    ]


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_million_rows_load_at_25000_a_second_with_flat_memory(store: BronzeStore) -> None:
    memory: list[int] = []
    spent: list[float] = []
    for chunk in range(100):
        batch = load(*_rows(chunk))
        started = time.perf_counter()
        store.commit([batch])
        spent.append(time.perf_counter() - started)
        memory.append(_resident_mb())
    rates = [
        round(ROWS / statistics.median(part)) for part in (spent[:20], spent[40:60], spent[80:])
    ]
    print(f"rows/s at the start, in the middle, at the end: {rates}; MB: {memory[9::30]}")
    assert min(rates) > 25_000
    assert memory[-1] < memory[9] + 100


@pytest.mark.bench
def test_an_idle_commit_of_all_entities_takes_a_tenth_of_a_second(store: BronzeStore) -> None:
    spent = []
    for at in range(12):
        loads = [load(entity=one.name, id=f"{at}", watermark=after(at)) for one in ENTITIES]
        started = time.perf_counter()
        store.commit(loads)
        spent.append(time.perf_counter() - started)
    print(f"idle commit: {sorted(spent)[5] * 1000:.0f} ms")
    assert sorted(spent)[5] < 0.1


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20
