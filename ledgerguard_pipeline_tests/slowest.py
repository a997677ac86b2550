"""The modules of tests that take longest; whole runs begin with them.

Each worker takes one module after the other. A long one that is taken last keeps a single worker
busy while the others have nothing left to do. The report of a run says which they are now:
``pytest --junit-xml=report.xml`` and ``python -m ledgerguard_pipeline_tests.slowest report.xml``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

SLOWEST: tuple[str, ...] = ()
"""Longest first, below this folder; all others come after them in random order."""

AT_LEAST_SECONDS = 15.0
_PACKAGE = __name__.partition(".")[0]
_RANKS = {f"{_PACKAGE}/{name}.py": rank for rank, name in enumerate(SLOWEST)}


def rank(node: str) -> int:
    """Where a test comes in a whole run, by the module of its node id."""
    return _RANKS.get(node.partition("::")[0], len(SLOWEST))


def modules(report: Path) -> Iterable[tuple[float, str]]:
    """Seconds and module, longest first, of those that took ``AT_LEAST_SECONDS`` in a JUnit report."""
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it
        # A class is the last part of this name, where there is one.
        parts = [part for part in case.attrib["classname"].split(".") if part[0].islower()]
        seconds["/".join(parts[1:])] += float(case.attrib["time"])
    return [(took, name) for name, took in seconds.most_common() if took >= AT_LEAST_SECONDS]


if __name__ == "__main__":
    for took, name in modules(Path(sys.argv[1])):
        sys.stdout.write(f'    "{name}",  # {took:.0f} s\n')
