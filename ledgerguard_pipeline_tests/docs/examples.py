"""Runs the Python examples of a document as they stand; only where ``...`` stands is filled in."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

FillIns = Mapping[str, Callable[[dict[str, object]], object]]
"""What belongs where ``name=...`` stands, made when it is needed of the names known by then."""


def python_blocks(document: Path) -> list[str]:
    """The fenced blocks of Python, in order."""
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


class _Filling(ast.NodeTransformer):
    """Keyword arguments that are ``...`` or ``"..."`` ask for what belongs there."""

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.generic_visit(node)
        if isinstance(node.value, ast.Constant) and node.value.value in (..., "..."):
            asked = ast.Subscript(
                ast.Name("__places__", ast.Load()), ast.Constant(node.arg), ast.Load()
            )
            call = ast.Call(asked, [ast.Call(ast.Name("globals", ast.Load()), [], [])], [])
            node.value = ast.copy_location(call, node.value)
        return node


def run(blocks: list[str], names: dict[str, object], fill_ins: FillIns) -> list[str]:
    """Run blocks one after the other over the same names; returns the warnings they gave.

    Whatever an example raises comes out here, and ends the run.
    """
    names["__places__"] = fill_ins
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for index, block in enumerate(blocks):
            tree = ast.fix_missing_locations(_Filling().visit(ast.parse(block)))
            exec(compile(tree, f"<example {index + 1}>", "exec"), names)  # noqa: S102  # its job
    return [f"{warning.category.__name__}: {warning.message}" for warning in heard]
