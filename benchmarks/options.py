"""Options that several benchmarks have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

Write = Annotated[bool, typer.Option("--write", help="Put the tables into docs/performance.md.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def chosen(only: Sequence[str] | None, parts: Iterable[str]) -> tuple[str, ...]:
    """The parts that ``--only`` names; all of them without it.

    Raises:
        typer.BadParameter: there is no such part.
    """
    known = tuple(parts)
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(known)}.")
    return tuple(only or known)


def all_or_no_figures(wanted: Iterable[str], parts: Iterable[str], *, write: bool) -> None:
    """Tables between the same delimiters are written together.

    Raises:
        typer.BadParameter: some parts were left out.
    """
    if write and set(wanted) != set(parts):
        raise typer.BadParameter("--write needs all parts: leave out --only.")
