"""Commits the same rows over and over in a process of its own: ``python lake_writer.py URL N``.

It says ``ready`` and begins when it is asked to, so that several begin at the same moment.
"""

from __future__ import annotations

import sys

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import after, load, record
from ledgerguard_pipeline_tests.lakes import lake_address

ROWS = 60
"""More than are kept in the catalog, so that files are written."""


def loads(number: int) -> list[Load]:
    """The same for everybody: new versions of the same objects, of two entity types."""
    records = [record(str(at), f'{{"v":{number},"at":{at}}}', updated=number) for at in range(ROWS)]
    return [
        load(*records, id=f"load-{number}", watermark=after(number)),
        load(record("1", f'{{"v":{number}}}', updated=number), entity="Bill", id=f"load-{number}"),
    ]


def main(url: str, commits: int) -> None:
    store = BronzeStore(lake_address(url), Environment.SANDBOX)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    written = 0
    for number in range(1, commits + 1):
        written += sum(outcome.written for outcome in store.commit(loads(number)))
    sys.stdout.write(f"{written}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
