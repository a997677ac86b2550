"""Code that nobody calls is neither tested nor needed: it goes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ledgerguard_pipeline_tests.hygiene.project import (
    PACKAGE,
    ROOT,
    TESTS,
    name_of,
    python_files,
    tracked_files,
)

CODE = (*python_files(PACKAGE), *python_files(TESTS), *python_files(ROOT / "benchmarks"))
TEMPLATES = "\n".join(
    path.read_text(encoding="utf-8") for path in tracked_files() if path.suffix == ".html"
)


def used() -> set[str]:
    """Every name that some code refers to, texts that are names included."""
    found = set()
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.alias):
                found.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def defined(body: list[ast.stmt], *, inherits: bool = False) -> Iterator[str]:
    """Functions and methods that only a caller by name can reach.

    Decorated ones may be registered somewhere, and a class with bases may answer its base's calls.
    """
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from defined(node.body, inherits=bool(node.bases))
        elif isinstance(node, ast.FunctionDef) and not inherits and not node.decorator_list:
            yield node.name


def test_every_function_has_a_caller() -> None:
    names = used()
    unused = [
        f"{name_of(path)}: {name}"
        for path in python_files(PACKAGE)
        if "versions" not in path.parts
        for name in defined(ast.parse(path.read_text(encoding="utf-8")).body)
        if name not in names and not name.startswith("__") and name not in TEMPLATES
    ]
    assert unused == []
