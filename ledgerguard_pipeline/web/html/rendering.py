"""HTML from templates: everything is escaped, nothing is loaded from elsewhere, no script runs.

Decision 32 in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ledgerguard_pipeline.web.html.static_files import ICON_PATH, STYLE_PATH
from ledgerguard_pipeline.web.html.time_format import ago, calendar_day, clock, instant, iso

_COMMAND = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r".[^A-Z]*")
_MODES = {"full": "full read", "cdc": "changes", "query": "query", "webhook": "webhooks"}
_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, values: Mapping[str, object]) -> str:
    """A whole HTML document. A value the template lacks is an error, never a hole in the page."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(style_path=STYLE_PATH, icon_path=ICON_PATH)
    environment.filters.update(
        ago=ago,
        clock=clock,
        day=calendar_day,
        instant=instant,
        iso=iso,
        mode=_mode,
        number=_number,
        spans=spans,
        words=words,
    )
    return environment


def spans(text: str) -> list[tuple[bool, str]]:
    """The parts of a text, and whether each is a `command` between backticks."""
    return [(index % 2 == 1, part) for index, part in enumerate(_COMMAND.split(text)) if part]


def words(name: str) -> list[str]:
    """The words of a name like ``SalesReceipt``, between which a line may break."""
    return _WORD.findall(name)


def _mode(mode: str | None) -> str:
    return _MODES.get(mode or "", mode or "-")


def _number(count: int) -> str:
    return f"{count:,}"
