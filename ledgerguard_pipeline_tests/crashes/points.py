"""The crash points, read out of the source of the product."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, name_of, python_files

_FUNCTION = "crashpoint"


def crash_points() -> list[tuple[str, str]]:
    """The name of each point with the file and line where it stands."""
    return sorted(
        (name, f"{name_of(path)}:{line}")
        for path in python_files(PACKAGE)
        # Only few modules have any: the others need not be parsed.
        if _FUNCTION in (text := path.read_text(encoding="utf-8"))
        for name, line in _called(ast.parse(text))
    )


def _called(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name == _FUNCTION:
            (given,) = node.args
            # Any other argument could not be found by whoever reads the source.
            assert isinstance(given, ast.Constant), ast.unparse(node)
            yield str(given.value), node.lineno
