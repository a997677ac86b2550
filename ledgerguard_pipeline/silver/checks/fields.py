"""Fields that Intuit sent and the registry has no place for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from ledgerguard_pipeline.silver.registry.forms import HEADER_LEFT_OUT
from ledgerguard_pipeline.silver.specs import Block, Child

_ENDS = re.compile(r"\.|\[\]")
"""Where the path of a member above may end."""


def strange_paths(
    ask: Callable[[str], Sequence[Sequence[object]]], blocks: Iterable[Block]
) -> dict[str, list[str]]:
    """By entity name paths that Bronze saw, at any company, and the registry neither reads nor leaves out on purpose."""
    mine = {block.entity: block for block in blocks}
    names = ", ".join(f"'{name}'" for name in mine)
    found: dict[str, list[str]] = {}
    for entity, path in ask(
        f"SELECT DISTINCT entity, path FROM bronze._fields WHERE entity IN ({names}) ORDER BY path"
    ):
        if not is_known(mine[str(entity)], str(path)):
            found.setdefault(str(entity), []).append(str(path))
    return found


def is_known(block: Block, path: str) -> bool:
    """Whether a path, or one above or below it, stands in the registry."""
    if block.wrapped:
        path = path.partition(".")[2]
        # The rest of a template is what its documents will be, and stands in their tables then.
        if not path.startswith("RecurringInfo"):
            return True
    left_out = (*HEADER_LEFT_OUT, *block.personal, *block.left_out)
    if any(path == each or path.startswith((f"{each}.", f"{each}[]")) for each in left_out):
        return True
    return path in _known(block)


@cache
def _known(block: Block) -> frozenset[str]:
    """The paths of the registry, and those above them."""
    paths = frozenset(_paths(block))
    return paths | {path[: end.start()] for path in paths for end in _ENDS.finditer(path)}


def _paths(block: Block) -> Iterator[str]:
    for column in block.columns:
        yield from column.paths
    for child in block.children:
        yield from _child_paths(child)
    for one in block.picked:
        # What else stands beside a named value only describes how it is wrapped.
        yield f"{one.list_path}[].{one.name_path}"
        yield f"{one.list_path}[].{one.value_path}"


def _child_paths(child: Child) -> Iterator[str]:
    for source in child.sources:
        for column in child.columns:
            yield from (f"{source.path}[].{path}" for path in column.paths)
