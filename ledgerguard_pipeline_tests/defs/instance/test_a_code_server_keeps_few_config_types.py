"""A code server forgets the types of configuration of runs that were launched long ago."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import Shape
from dagster._config import field_utils

from ledgerguard_pipeline.defs.instance.config_types import RecentTypes, keep_recent_config_types

_LAUNCHES = """
import gc, itertools, sys
import dagster as dg
from dagster._core.execution.api import create_execution_plan
from ledgerguard_pipeline.defs.instance.config_types import keep_recent_config_types

if sys.argv[1] == "few":
    keep_recent_config_types(20)

@dg.multi_asset(specs=[dg.AssetSpec(f"asset{number}") for number in range(3)], can_subset=True)
def every(context):
    yield from (dg.MaterializeResult(asset_key=key) for key in context.selected_asset_keys)

assets = [dg.asset(name=f"single{number}")(lambda: None) for number in range(9)]
repository = dg.Definitions([every, *assets]).get_repository_def()
(job,) = repository.get_all_jobs()
keys = [dg.AssetKey(f"single{number}") for number in range(9)]
steps = 0
for selection in itertools.chain(*(itertools.combinations(keys, size) for size in (2, 3, 4))):
    part = repository.get_maybe_subset_job_def(job.name, asset_selection=frozenset(selection))
    steps += len(create_execution_plan(part).steps)
gc.collect()
print(steps, sum(type(each) is dg.Shape for each in gc.get_objects()))
"""
_SELECTIONS = 36 + 84 + 126
_STEPS = 2 * 36 + 3 * 84 + 4 * 126


@pytest.mark.parametrize("kept", ["few", "all"])
def test_launches_of_many_selections_leave_few_types_behind(kept: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHES, kept],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    steps, shapes = map(int, done.stdout.split())
    assert steps == _STEPS
    if kept == "few":
        assert shapes < _SELECTIONS / 2
    else:
        assert shapes > _SELECTIONS, "Dagster forgets them itself by now: this is needed no more"


def test_an_installations_own_definitions_see_to_it(tmp_path: Path) -> None:
    program = (
        "import ledgerguard_pipeline.definitions\n"
        "from dagster._config import field_utils\n"
        "print(type(field_utils.FIELD_HASH_CACHE).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"LEDGERGUARD_HOME": str(tmp_path), "PATH": ""},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split()[-1] == RecentTypes.__name__


def test_equal_types_are_one_while_they_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_utils, "FIELD_HASH_CACHE", {})
    keep_recent_config_types(2)
    shape: Callable[[dict[str, type]], Shape] = Shape
    first = shape({"a": int})
    assert shape({"a": int}) is first
    for name in "bcdefg":
        shape({name: int})
    again = shape({"a": int})
    assert again is not first
    assert again.key == first.key


def test_what_was_found_stays_until_many_others_came() -> None:
    types = RecentTypes(3)
    types["used"] = 0
    for number in range(20):
        types[f"other{number}"] = number
        assert "used" in types
        for more in range(2):  # another thread's
            types[f"more{number}{more}"] = more
        assert types["used"] == 0
    assert len(types) <= 6
    assert "other0" not in types
    with pytest.raises(KeyError):
        types["other0"]
