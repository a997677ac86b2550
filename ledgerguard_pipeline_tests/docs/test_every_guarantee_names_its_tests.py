"""A promise of the README is as good as the tests behind it; each leads to them."""

from __future__ import annotations

import ast
import re

from ledgerguard_pipeline_tests.docs.documents import section
from ledgerguard_pipeline_tests.hygiene.project import ROOT

README = ROOT / "README.md"
TEXT = section(README, "## What it guarantees")
PROMISES = [name.rstrip(".") for name in re.findall(r"^- \*\*(.+?)\*\*", TEXT, re.MULTILINE)]
ROWS = dict(re.findall(r"^\| ([^|]+) \| (.*\.py\).*) \|$", TEXT, re.MULTILINE))


def test_each_guarantee_has_a_row_with_its_tests() -> None:
    assert len(PROMISES) > 5
    assert list(ROWS) == PROMISES


def test_the_files_named_hold_tests_that_run_with_make_test() -> None:
    for promise, cell in ROWS.items():
        for name in re.findall(r"\]\((.+?)\)", cell):
            tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
            tests = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            ]
            ordinary = [node for node in tests if not _asked_for_by_name(node)]
            assert ordinary, f"{promise}: {name}"


def _asked_for_by_name(test: ast.FunctionDef) -> bool:
    marks = " ".join(ast.unparse(each) for each in test.decorator_list)
    return bool(re.search(r"mark\.(slow|soak|bench)\b", marks))
