"""Code, documents, logs and commands use the field's words, not a vocabulary of our own.

`docs/glossary.md` has the words to use. Names that others rely on (columns of the control plane,
keys of printed JSON, errors that callers catch) keep what they were called before.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ledgerguard_pipeline_tests.hygiene.project import (
    PACKAGE,
    ROOT,
    TESTS,
    name_of,
    python_files,
    tracked_files,
)

RETIRED = {
    "turn", "turns", "mark", "marks", "marking", "standing", "standings", "verdict", "verdicts",
    "feed", "feeds", "portion", "portions", "shelf", "shelves", "tally", "tallies", "place",
    "places", "told", "untold", "care", "cared", "door", "doors", "departure", "departures",
    "custodian", "custodians",
}  # fmt: skip
KEPT = {
    "mark": "pytest's",
    "marks": "pytest's",
    "feed": "the standard library's HTML parser has it",
    "places": "Hypothesis's argument",
    "in_place": "plain English",
    "_in_place": "plain English",
    "MAX_REPAIRS_IN_PLACE": "plain English",
    "sync_marks": "a table",
    "alert_told": "a table",
    "told": "a column, and a key of printed JSON",
    "told_at": "a column, and a key of printed JSON",
    "test_a_byte_order_mark_and_a_lone_object_are_tolerated": "Unicode's",
    "test_a_byte_order_mark_is_skipped": "Unicode's",
}
KEPT_IN = {
    "feed": {"sandbox/serve/client.py"},
    "told": {"control/company_state/alert_state.py", "control/storage/schema.py"},
    "told_at": {"control/company_state/alert_state.py", "control/storage/schema.py"},
}
TEXT = re.compile(
    r"\b(?:verdicts?|standings?|portions?|shelf|shelves|tally|tallies|(?:un)?told|departures?"
    r"|custody|custodians?|feeds?|doors?|cared)\b"
    r"|\b(?:daily|own|takes?|taking) care\b"
    r"|\b(?:takes?|taking|took|in) turns\b"
    r"|\b(?:an?|the|its|their|our|whose|each|every|one|another|next|\w+'s) turns?\b"
    r"|\b(?:an?|the|its|their|each|every|no|any|load|sync|these|those|all|missing|several|by|without"
    r"|from) marks?\b",
    re.IGNORECASE,
)
HISTORY = {ROOT / "CHANGELOG.md"}
CODE = [
    path
    for path in (*python_files(PACKAGE), *python_files(TESTS), *python_files(ROOT / "benchmarks"))
    if path != Path(__file__)
    and not {"versions", "contenders"} & set(path.parts)
    and path != TESTS / "upgrade" / "make_home.py"  # it runs with the code of 0.1.0
]
DOCUMENTS = [
    path
    for path in tracked_files()
    if path.suffix in {".md", ".yaml", ".html", ".toml", ".service", ".example", ".mako"}
    and path not in HISTORY
]


@cache
def parts(name: str) -> frozenset[str]:
    return frozenset(each.lower() for each in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name))


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def suspect(path: Path) -> bool:
    """Whether any word of a module is retired, wherever it stands: only then it is parsed."""
    words = re.findall(r"\w+", f"{path.relative_to(ROOT)}\n{source(path)}")
    return any(parts(word) & RETIRED for word in set(words))


def names(path: Path) -> Iterator[str]:
    """Every name of a module, its own included."""
    yield from path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(source(path))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield from (node.asname or node.name).split(".")


def texts(path: Path) -> Iterator[str]:
    """Comments, and the strings that are sentences or names of log events."""
    for token in tokenize.generate_tokens(io.StringIO(source(path)).readline):
        if token.type == tokenize.COMMENT or (
            token.type in SENTENCES and (" " in token.string or "\n" in token.string)
        ):
            yield from token.string.splitlines()


SENTENCES = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


@cache
def label(path: Path) -> str:
    return name_of(path).removeprefix("ledgerguard_pipeline/")


def test_no_name_uses_a_retired_word() -> None:
    wrong = {
        f"{label(path)}: {name}"
        for path in filter(suspect, CODE)
        for name in names(path)
        if parts(name) & RETIRED
        and (name not in KEPT or label(path) not in KEPT_IN.get(name, {label(path)}))
    }
    assert sorted(wrong) == []


def test_no_text_of_the_code_uses_a_retired_word() -> None:
    wrong = [
        f"{label(path)}: {line.strip()}"
        for path in CODE
        if TEXT.search(source(path))
        for line in texts(path)
        if TEXT.search(line)
    ]
    assert wrong == []


def events(path: Path) -> Iterator[str]:
    """What is logged, by name."""
    for node in ast.walk(ast.parse(source(path))):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="debug" | "info" | "warning" | "error" | "exception"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def test_no_event_of_the_log_uses_a_retired_word() -> None:
    wrong = {
        f"{label(path)}: {name}"
        for path in filter(suspect, python_files(PACKAGE))
        for name in events(path)
        if parts(name) & RETIRED
    }
    assert sorted(wrong) == []


def test_no_document_uses_a_retired_word() -> None:
    wrong = []
    for path in DOCUMENTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            plain = re.sub(r"`[^`]*`|<[^>]*>", "", line)
            if TEXT.search(plain):
                wrong.append(f"{name_of(path)}: {line.strip()}")
    assert wrong == []


def test_the_glossary_has_forty_terms_of_one_sentence_each() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^- \*\*(.+?)\*\*: (.+?)$", text, re.MULTILINE)
    assert len(terms) >= 40
    assert [term for term, _ in terms] == sorted((term for term, _ in terms), key=str.casefold)
    plain = {term: re.sub(r"`[^`]*`", "it", said) for term, said in terms}
    assert [term for term, said in plain.items() if not re.fullmatch(r"[^.]+\.", said)] == []
    assert "docs/glossary.md" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
