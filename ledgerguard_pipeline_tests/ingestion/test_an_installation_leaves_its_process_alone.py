"""Opening an installation in somebody's service or notebook changes nothing of that process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from ledgerguard_pipeline.config.process_tuning import ARROW_ALLOCATOR, prepare_for_loads
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.installation import Installation


def test_the_cycle_collector_runs_as_often_as_before(settings: Settings) -> None:
    before = gc.get_threshold()
    with Installation.open(settings) as installation:
        installation.control.companies.list()
    assert gc.get_threshold() == before


def test_a_run_prepares_its_own_process_for_the_load() -> None:
    program = (
        f"import gc\nfrom {prepare_for_loads.__module__} import prepare_for_loads\n"
        "prepare_for_loads()\nprepare_for_loads()\nprint(*gc.get_threshold())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    young, middle, old = map(int, done.stdout.split())
    assert (young, middle, old) >= (50_000, 20, 100)


@pytest.mark.parametrize(
    "before",
    [
        f"from {prepare_for_loads.__module__} import prepare_for_loads\nprepare_for_loads()",
        "import ledgerguard_pipeline.defs.run_imports",
    ],
    ids=["a command", "a forked run"],
)
def test_arrow_shares_the_allocator_of_the_process_that_loads(before: str) -> None:
    program = f"{before}\nimport pyarrow\nprint(pyarrow.default_memory_pool().backend_name)"
    clean = {name: value for name, value in os.environ.items() if name != ARROW_ALLOCATOR[0]}
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["system"]
