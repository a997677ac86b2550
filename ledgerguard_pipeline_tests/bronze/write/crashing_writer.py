"""Commits the second load of a story in a process of its own: ``python crasher.py PLACE``."""

from __future__ import annotations

import sys
from pathlib import Path

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import after, load, record, reject, step, tombstone
from ledgerguard_pipeline_tests.lakes import lake_address


def second_commit(store: BronzeStore) -> None:
    store.commit(
        [
            load(
                record("1", '{"Id":"1","SyncToken":"0","v":2}', updated=9),
                *(record(f"{at}") for at in range(10, 3_000)),
                id="load-2",
                rejects=[reject("99")],
                watermark=after(9),
                walk=step(cursor="c2"),
            ),
            load(
                tombstone("1", updated=9, read=200), entity="Bill", id="load-2", watermark=after(9)
            ),
            load(entity="Term", id="load-2", watermark=after(9)),
        ]
    )


if __name__ == "__main__":
    where = sys.argv[1]
    second_commit(
        BronzeStore(
            lake_address(where) if where.startswith("ducklake:") else Path(where),
            Environment.SANDBOX,
        )
    )
