"""The shape of the code: who may import whom, how big a module may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, ROOT, TESTS, name_of, python_files

PRODUCT = python_files(PACKAGE)
ALL = (*PRODUCT, *python_files(TESTS))
DAGSTER = {PACKAGE / "definitions.py", *python_files(PACKAGE / "defs")}
LONGEST = 400


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Names of the modules a file imports when it runs, wherever in it."""
    found: set[str] = set()
    tree = tree_of(path)
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def test_imports_go_down_only() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_tests_may_import_benchmarks_and_never_the_other_way_round() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): name
        for path in python_files(ROOT / "benchmarks")
        for name in imports(path)
        if name.partition(".")[0] == TESTS.name
    }
    assert found == {}


def test_the_sandbox_shares_only_values_and_errors_with_the_product() -> None:
    shared = {"values", "errors", "sandbox"}
    for path in python_files(PACKAGE / "sandbox"):
        used = {
            name.split(".")[1] for name in imports(path) if name.startswith("ledgerguard_pipeline.")
        }
        assert used <= shared, name_of(path)


def test_no_module_outgrows_its_reader() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_only_the_room_of_backends_asks_which_backend_it_has() -> None:
    backends = {"BronzeFile", "DuckLake"}
    asking = [
        name_of(path)
        for path in PRODUCT
        if not path.is_relative_to(PACKAGE / "bronze" / "backends")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and backends & set(re.findall(r"\w+", ast.unparse(node)))
    ]
    assert asking == []


def test_no_module_is_a_drawer_for_leftovers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [name_of(path) for path in PRODUCT if path.stem in drawers] == []


def test_annotations_are_lazy_except_where_dagster_reads_them() -> None:
    wrong = []
    for path in ALL:
        body = tree_of(path).body
        lazy = any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in body
        )
        if path in DAGSTER:
            fits = not lazy
        else:
            nothing_to_annotate = all(isinstance(node, ast.Expr) for node in body)
            fits = lazy or nothing_to_annotate or path.is_relative_to(TESTS / "defs")
        if not fits:
            wrong.append(name_of(path))
    assert wrong == []


def test_the_package_imports_without_dagster_duckdb_or_network() -> None:
    program = (
        "import sys, ledgerguard_pipeline\n"
        "print([n for n in ('dagster', 'duckdb', 'pandas', 'fastapi') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
