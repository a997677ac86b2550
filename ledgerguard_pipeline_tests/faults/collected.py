"""Which tests pytest collects, and the stores that each of them runs on.

As a program (``python -m ... NODE...``) it collects the files of these nodes and prints what it
found as JSON: for whoever has not collected all tests anyway.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

import pytest

from ledgerguard_pipeline_tests.hygiene.project import ROOT, TESTS

NODES_BELOW = TESTS.name
STORES = ("SQLite", "PostgreSQL", "Redis", "DuckDB", "DuckLake")
_BY_PARAMETER = {
    "sqlite": {"SQLite"},
    "postgresql": {"PostgreSQL"},
    "redis": {"Redis"},
    "file": {"DuckDB"},
    "lake": {"DuckLake"},
    "embedded": {"SQLite", "DuckDB"},
}
"""What the parameters of fixtures stand for that open stores."""
_PARAMETERS = ("store_settings", "server", "backend", "stage")
_BY_FIXTURE = {
    "lake": {"DuckLake"},
    "lake_url": {"DuckLake"},
    "store": {"DuckDB"},
    "path": {"DuckDB"},
    "connected": {"SQLite", "DuckDB"},
    "home": {"SQLite"},
}
"""What fixtures without such a parameter open, the most telling one first."""

Found = Mapping[str, Sequence[str]]
"""Node ids below the tests, without parameters, to the stores they run on."""


def found_in(items: Iterable[pytest.Item]) -> dict[str, list[str]]:
    """What these collected tests are and run on."""
    stores: dict[str, set[str]] = {}
    for item in items:
        node = item.nodeid.removeprefix(f"{NODES_BELOW}/").partition("[")[0]
        stores.setdefault(node, set()).update(_stores(item))
    return {node: [name for name in STORES if name in held] for node, held in stores.items()}


def collect(nodes: Iterable[str]) -> Found:
    """What pytest collects of the files of these nodes, in a process of its own."""
    files = sorted({f"{NODES_BELOW}/{node.partition('::')[0]}" for node in nodes})
    done = subprocess.run(
        [sys.executable, "-m", __name__, *(name for name in files if (ROOT / name).exists())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: Found = json.loads(done.stdout)
    return found


def _stores(item: pytest.Item) -> set[str]:
    parameters: Mapping[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    named = [
        _BY_PARAMETER[str(parameters[name])]
        for name in _PARAMETERS
        if str(parameters.get(name)) in _BY_PARAMETER
    ]
    if named:
        return set().union(*named)
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return next((held for name, held in _BY_FIXTURE.items() if name in fixtures), set())


class _Listener:
    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def main(files: Sequence[str]) -> None:
    """Print what is collected of these files."""
    listener = _Listener()
    options = ["--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = pytest.main([*options, *files], plugins=[listener])
    if code != pytest.ExitCode.OK:
        sys.exit(printed.getvalue())
    json.dump(found_in(listener.items), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
