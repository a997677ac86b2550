"""Whoever reads code that rests on a decision finds the reason, and the other way round."""

from __future__ import annotations

import re
from functools import cache

import pytest

from ledgerguard_pipeline_tests.hygiene.project import ROOT, name_of, tracked_files

DOCUMENT = ROOT / "docs" / "decisions.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
ENTRY = re.compile(r"^### (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d) · (.+)\*\n\n(.+)", re.MULTILINE)
STATUS = re.compile(r"in force|in force, amended by \d+|replaced by \d+")
NAMED = re.compile(r"\b[Dd]ecisions? (\d+)((?:(?:,| and|, and) \d+)*)")
DECISIONS = {int(number): status for number, _, _, status, _ in ENTRY.findall(TEXT)}


@cache
def named_in_the_code() -> dict[int, list[str]]:
    """Where each decision is named: code, scripts and configuration, not documents or tests."""
    found: dict[int, list[str]] = {}
    for path in tracked_files():
        name = name_of(path)
        if path.suffix != ".md" and not name.startswith("ledgerguard_pipeline_tests/"):
            for first, more in NAMED.findall(path.read_text(encoding="utf-8", errors="ignore")):
                for number in (first, *re.findall(r"\d+", more)):
                    found.setdefault(int(number), []).append(name)
    return found


def test_every_decision_has_its_number_date_and_status() -> None:
    headings = [int(number) for number in re.findall(r"^### (\d+)\.", TEXT, re.MULTILINE)]
    assert sorted(headings) == list(range(1, len(headings) + 1)), "each number once, none left out"
    assert sorted(DECISIONS) == sorted(headings), "a line like *2026-11-28 · in force* comes first"
    assert {status for status in DECISIONS.values() if not STATUS.fullmatch(status)} == set()


def test_a_decision_is_replaced_or_amended_by_a_later_one() -> None:
    for number, status in DECISIONS.items():
        for other in re.findall(r"\d+", status):
            assert number < int(other) <= max(DECISIONS), number


def test_every_decision_gives_its_cost() -> None:
    entries = re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "Cost:" not in entry] == []


def test_every_decision_is_in_a_group() -> None:
    groups = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    assert "\n### " not in groups[0]
    assert all("\n### " in group for group in groups[1:])


@pytest.mark.parametrize("number", sorted(DECISIONS))
def test_a_decision_in_force_is_named_where_the_code_rests_on_it(number: int) -> None:
    if DECISIONS[number].startswith("in force"):
        assert named_in_the_code().get(number), f"name it: decision {number} in docs/decisions.md"


def test_every_decision_that_is_named_exists() -> None:
    assert {number: names for number, names in named_in_the_code().items()
            if number not in DECISIONS} == {}  # fmt: skip
