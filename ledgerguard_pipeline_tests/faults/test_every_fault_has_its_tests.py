"""Each promise of the register is held by tests that exist and are run."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline_tests.faults.collected import Found, collect, found_in
from ledgerguard_pipeline_tests.faults.document import document
from ledgerguard_pipeline_tests.faults.register import every_fault, every_node
from ledgerguard_pipeline_tests.hygiene.project import ROOT


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Found:
    """What pytest collects: in this very session if it has all of it, else by asking."""
    here = found_in(request.session.items)
    options = request.config.option
    usual = "not slow and not soak" in options.markexpr and not options.keyword
    if usual and every_node() <= here.keys():
        return here
    return collect(every_node())


def test_every_fault_is_there_once_with_a_promise_and_tests() -> None:
    faults = every_fault()
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    assert len(faults) >= 56
    assert [fault.number for fault in faults if not (fault.fault and fault.promise)] == []
    assert [fault.number for fault in faults if not fault.tests] == []
    assert [fault.number for fault in faults if len(set(fault.tests)) < len(fault.tests)] == []


def test_every_test_named_is_collected(found: Found) -> None:
    missing = {
        f"{fault.number}: {test}"
        for fault in every_fault()
        for test in fault.tests
        if test not in found
    }
    assert sorted(missing) == []


def test_a_test_that_is_gone_or_only_run_on_request_would_be_missed() -> None:
    file = "crashes/test_every_crash_point_is_survived.py"
    found = collect([f"{file}::test_that_never_was"])
    assert f"{file}::test_that_never_was" not in found
    (stores,) = (held for node, held in found.items() if "test_work_killed_there" in node)
    assert stores == ["SQLite", "DuckDB"], "what is marked soak does not count"


def test_the_page_is_what_the_register_says(found: Found) -> None:
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == document(found)
