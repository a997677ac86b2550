"""Output of commands: JSON for machines, tables and sentences for people."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerguard_pipeline.cli.streams import data, tell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 10_000
_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def own_command(*, anywhere: bool = False) -> str:
    """How this very ``ledgerguard`` is called: its path, unless the shell finds it by its name.

    The path starts at the working folder where it can, or is good ``anywhere``.
    """
    own = Path(sys.executable).with_name("ledgerguard")
    if not own.exists() or shutil.which("ledgerguard") == str(own):
        return "ledgerguard"
    here = Path(os.environ.get("PWD") or Path.cwd())
    inside = here in own.parents and not anywhere
    return str(own.relative_to(here)) if inside else str(own)


_consoles: dict[bool, Console] = {}
"""Those in use, by whether they write to standard error."""


def console() -> Console:
    """Standard output for people; as wide as needed where it is no terminal."""
    return _console(stderr=False)


def errors() -> Console:
    """Standard error for people: progress and notes, so that stdout stays clean."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    if stderr not in _consoles:
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        _consoles[stderr] = Console(
            stderr=stderr,
            width=None if stream.isatty() else _WIDE,
            markup=False,
            emoji=False,  # a company may be called :taxi:
            highlight=False,
            soft_wrap=True,
        )
    return _consoles[stderr]


def say(text: str = "") -> None:
    """Print a line for people on stdout."""
    _line(text, stderr=False)


def note(text: str) -> None:
    """Print a line for people on stderr."""
    _line(text, stderr=True)


def _line(text: str, *, stderr: bool) -> None:
    """A line, above the bars where there are any; without rich where it is not in use yet."""
    if stderr in _consoles:
        _consoles[stderr].print(printable(text))
    elif stderr:
        tell(f"{printable(text)}\n")
    else:
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


def write_json(document: object) -> None:
    """Print one JSON document on stdout at once: times as ISO 8601 UTC, money as text."""
    try:
        text = _dumped(document)
    except (TypeError, ValueError):  # a query may bring what JSON has no form for
        text = _dumped(_with_a_form(document))
    out = data()
    out.write(text + "\n")
    out.flush()


def _dumped(document: object) -> str:
    return json.dumps(document, default=_plain, ensure_ascii=False, allow_nan=False)


def _with_a_form(value: object) -> object:
    """Keys of maps are texts in JSON, and so are numbers that are none (NaN, Infinity)."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else str(_plain(key)): _with_a_form(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_a_form(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print CSV as RFC 4180 has it: a header, CRLF, quotes where needed; NULL is empty."""
    import csv

    out = data()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            "" if value is None else value if isinstance(value, str) else _csv_text(value)
            for value in row
        )
    out.flush()


def _csv_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(_plain(value))


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    numeric: frozenset[str] = frozenset(),
    whole: frozenset[str] = frozenset(),
) -> Table:
    """A table whose cells are data, never markup or control codes.

    ``whole`` columns are never cut or wrapped, however narrow the terminal: people copy them.
    """
    from rich.table import Table
    from rich.text import Text

    result = Table(title=title, title_justify="left", header_style="bold", title_style="bold")
    for column in columns:
        result.add_column(
            Text(printable(column)),
            justify="right" if column in numeric else "left",
            no_wrap=column in whole,
            overflow="fold",
        )
    for row in rows:
        result.add_row(*(Text(cell(value)) for value in row))
    return result


def cell(value: object) -> str:
    """One value as text: local formats for numbers and times, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return moment(value)
    return printable(str(value))


def moment(value: datetime | None) -> str:
    """A time for people, in UTC and to the second."""
    return "-" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def printable(text: str) -> str:
    """The text with what could steer a terminal (a company's name may hold it) made visible."""
    if text.isprintable():
        return text
    return "".join(char if _harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _harmless(char: str) -> bool:
    return char in "\n\t" or (
        unicodedata.category(char) not in ("Cc", "Cs") and char not in _DIRECTION_CONTROLS
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
