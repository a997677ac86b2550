"""The list of the slowest modules names modules that exist, and a report names them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.hygiene.project import TESTS
from ledgerguard_pipeline_tests.slowest import SLOWEST, modules, rank


def test_every_module_of_the_list_exists_and_stands_there_once() -> None:
    assert [name for name in SLOWEST if not (TESTS / f"{name}.py").is_file()] == []
    assert len(set(SLOWEST)) == len(SLOWEST)


def test_they_come_first_in_the_order_of_the_list_and_all_others_after_them(
    request: pytest.FixtureRequest,
) -> None:
    ranks = [rank(f"{TESTS.name}/{name}.py::test_a[b::c]") for name in SLOWEST]
    assert ranks == list(range(len(SLOWEST)))
    assert rank(f"{TESTS.name}/docs/test_any.py::test_a") == len(SLOWEST)
    collected = [rank(item.nodeid) for item in request.session.items]
    assert collected == sorted(collected)


def test_a_report_says_which_they_are(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    cases = (("docs.test_long", 20), ("docs.test_short", 14), ("qbo.test_it.TestThis", 30))
    lines = "".join(
        f'<testcase classname="{TESTS.name}.{name}" name="test" time="{seconds}"/>'
        for name, seconds in cases
    )
    report.write_text(f"<testsuites><testsuite>{lines}</testsuite></testsuites>")
    assert modules(report) == [(30.0, "qbo/test_it"), (20.0, "docs/test_long")]
