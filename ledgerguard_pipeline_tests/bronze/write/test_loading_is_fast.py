"""What makes loading fast, held without a clock: the work per row, and memory that stays flat."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.values import Record, Source, State
from ledgerguard_pipeline_tests.bronze.records import NOON, after, load
from ledgerguard_pipeline_tests.effort import python_calls

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
def test_a_million_rows_load_with_flat_memory(store: BronzeStore) -> None:
    memory: list[int] = []
    for chunk in range(100):
        store.commit([load(*_rows(chunk))])
        memory.append(_resident_mb())
    print(f"MB: {memory[9::30]}")
    assert memory[-1] < memory[9] + 100


def test_committing_rows_calls_hardly_any_python_per_row(store: BronzeStore) -> None:
    store.commit([load(*_rows(0))])
    batch = load(*_rows(1))

    calls = python_calls(lambda: store.commit([batch]))

    assert calls < 20 * ROWS


def test_an_idle_commit_of_all_entities_costs_little_more_than_one_of_one(
    store: BronzeStore,
) -> None:
    every = [
        [load(entity=e.name, id=f"{at}", watermark=after(at)) for e in ENTITIES] for at in (1, 2)
    ]
    store.commit(every[0])
    one = python_calls(lambda: store.commit([load(id="9", watermark=after(3))]))
    calls = python_calls(lambda: store.commit(every[1]))

    assert calls < 6 * one


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20
