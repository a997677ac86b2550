"""One process that commits to a lake, of whatever build is in its path, once a line asks it to.

Arguments: realm, commits, rows of each, bytes of each payload.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.config.bronze_url import parse_bronze_url
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.values import Environment, Mode, Record, Source, State

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENTITIES = ("Invoice", "Bill", "Customer", "Payment")
URL_VARIABLE = "LAKE_BENCH_URL"
READY = "ready\n"


def rows(first: int, count: int, size: int) -> list[Record]:
    """Records with payloads of ``size`` bytes, the same for the same numbers."""
    filling = "x" * max(0, size - 60)
    return [
        Record(
            id=str(number),
            sync_token="0",  # noqa: S106  # an edit counter
            state=State.ACTIVE,
            created_at=NOON,
            last_updated_at=NOON + timedelta(seconds=number),
            payload=f'{{"Id":"{number}","TotalAmt":{number}.10,"Memo":"{filling}"}}'.encode(),
            source=Source.QUERY,
            request_id="tid",
            fetched_at=NOON + timedelta(seconds=number),
        )
        for number in range(first, first + count)
    ]


def a_load(realm: str, entity: str, number: int, records: list[Record]) -> Load:
    return Load(
        load_id=f"{realm}-{entity}-{number}",
        realm_id=realm,
        entity=entity_type(entity),
        mode=Mode.CDC,
        run_id="bench",
        records=records,
        started_at=NOON,
        watermark=NOON + timedelta(seconds=number),
    )


def work(url: str, realm: str, commits: int, each: int, size: int) -> dict[str, object]:
    """Commit again and again; every commit brings new rows of one entity type."""
    store = BronzeStore(parse_bronze_url(url), Environment.SANDBOX)
    seconds: list[float] = []
    failed: list[str] = []
    written = 0
    sys.stdout.write(READY)
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(commits):
        entity = ENTITIES[number % len(ENTITIES)]
        load = a_load(realm, entity, number, rows(number * each, each, size))
        began = time.perf_counter()
        try:
            written += store.commit([load])[0].written
        except BronzeError as error:
            failed.append(str(error))
        seconds.append(time.perf_counter() - began)
    return {"realm": realm, "written": written, "failed": failed, "seconds": seconds}


if __name__ == "__main__":
    realm, commits, each, size = sys.argv[1], *map(int, sys.argv[2:5])
    print(json.dumps(work(os.environ[URL_VARIABLE], realm, commits, each, size)))  # noqa: T201
