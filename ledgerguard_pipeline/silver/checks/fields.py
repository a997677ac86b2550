"""Fields that Intuit sent and the registry has no place for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ledgerguard_pipeline.silver.registry.forms import HEADER_LEFT_OUT
from ledgerguard_pipeline.silver.specs import Block, Child


def strange_paths(ask: Callable[[str], Sequence[Sequence[object]]], block: Block) -> list[str]:
    """Paths that Bronze saw, at any company, and the registry neither reads nor leaves out on purpose."""
    rows = ask(
        f"SELECT DISTINCT path FROM bronze._fields WHERE entity = '{block.entity}' ORDER BY path"
    )
    return [path for path in (str(row[0]) for row in rows) if not is_known(block, path)]


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
    known = set(_paths(block))
    return path in known or any(each.startswith((f"{path}.", f"{path}[]")) for each in known)


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
