"""The documents of the project, and the headings and links in them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ledgerguard_pipeline_tests.hygiene.project import ROOT, tracked_files

DOCUMENTS = tuple(
    path
    for path in tracked_files()
    if path.suffix == ".md" and path.parent in {ROOT, ROOT / "docs", ROOT / "deploy"}
)


def prose(path: Path) -> str:
    """The text of a document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(path: Path) -> frozenset[str]:
    """What a link into a document may name: its headings, as GitHub writes them, and its anchors."""
    text = prose(path)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    ) | frozenset(re.findall(r'<a id="([\w-]+)">', text))


def links(path: Path) -> list[tuple[Path, str]]:
    """The files a document links to, each with the anchor in it or an empty text."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            found.append(((path.parent / name).resolve() if name else path, anchor))
    return found


def section(path: Path, heading: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = lines.index(heading)
    level = len(heading) - len(heading.lstrip("#"))
    end = next(
        (
            index
            for index, line in enumerate(lines[start + 1 :], start + 1)
            if re.match(rf"#{{1,{level}}} ", line)
        ),
        len(lines),
    )
    return "\n".join(lines[start + 1 : end])
