"""A test that asserts how long something took fails on a busy machine and proves little on an idle one.

Speed is measured by `ledgerguard bench`; a test counts work instead (`effort.py`), or drives a clock.
"""

from __future__ import annotations

import ast

from ledgerguard_pipeline_tests.hygiene.project import TESTS, name_of, python_files

CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "time"}
FILES = [path for path in python_files(TESTS) if path.name.startswith("test_")]


def read_of_the_clock(node: ast.AST) -> bool:
    """Whether the machine's clock is read in it: ``time.monotonic()`` and the like."""
    return any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and isinstance(each.func.value, ast.Name)
        and each.func.value.id == "time"
        and each.func.attr in CLOCKS
        for each in ast.walk(node)
    )


def names(node: ast.AST, known: set[str]) -> bool:
    """Whether one of these variables is used in it."""
    return any(isinstance(each, ast.Name) and each.id in known for each in ast.walk(node))


def timed_assertions(source: str) -> list[int]:
    """Lines of assertions that depend on the machine's clock, also through variables."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        timed: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and read_of_the_clock(node.value):
                timed |= {each.id for each in node.targets if isinstance(each, ast.Name)}
        found += [
            node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Assert) and (read_of_the_clock(node.test) or names(node, timed))
        ]
    return found


def test_a_timed_assertion_is_found() -> None:
    direct = (
        "def test_a():\n    began = time.monotonic()\n    assert time.monotonic() - began < 1\n"
    )
    by_name = "def test_b():\n    took = time.perf_counter() - began\n    assert took < 1\n"
    driven = "def test_c():\n    assert clock.monotonic() - began == 60\n"
    assert [timed_assertions(each) for each in (direct, by_name, driven)] == [[3], [3], []]


def test_no_assertion_depends_on_how_long_something_took() -> None:
    wrong = {name_of(path): timed_assertions(path.read_text(encoding="utf-8")) for path in FILES}
    assert {name: lines for name, lines in wrong.items() if lines} == {}
