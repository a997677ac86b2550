"""``docs/faults.md``, made from the register and from what pytest collects."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ledgerguard_pipeline_tests.faults.collected import NODES_BELOW, Found, collect
from ledgerguard_pipeline_tests.faults.register import Fault, every_node, groups

_HEAD = """\
# What may go wrong, and which test holds the promise

Made by `python -m ledgerguard_pipeline_tests.faults.document > docs/faults.md` from the register beside
that module; do not edit it by hand. Every fault has its promise and the tests that hold it, by node id
below `ledgerguard_pipeline_tests/`, and behind each test the stores it runs on in `make test` where it opens
any. A test of the register fails if a node is gone or no longer collected.

Two more things are read out of the source. Every crash point has a story in
`ledgerguard_pipeline_tests/crashes/` and is killed there with SIGKILL in each `make test`, on SQLite and
DuckDB; `pytest -m soak ledgerguard_pipeline_tests/crashes` does the same on PostgreSQL, Redis and DuckLake.
What parses foreign bytes is tried with made-up inputs, for seconds in `make test` and for as long as you
like with `scripts/fuzz --minutes 30`.
"""


def document(found: Found) -> str:
    """The whole page; ``found`` is what pytest collects of the nodes named."""
    return "\n".join(_lines(found)).rstrip("\n") + "\n"


def _lines(found: Found) -> Iterator[str]:
    yield _HEAD
    for group in groups():
        yield f"## {group.title}\n"
        for fault in group.faults:
            yield from _entry(fault, found)


def _entry(fault: Fault, found: Found) -> Iterator[str]:
    yield f"### {fault.number}. {fault.fault}\n"
    yield f"{fault.promise}\n"
    for test in fault.tests:
        file, _, name = test.partition("::")
        stores = found.get(test, ())
        on = f" ({', '.join(stores)})" if stores else ""
        yield f"- [{file}](../{NODES_BELOW}/{file})`::{name}`{on}"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(document(collect(every_node())))
