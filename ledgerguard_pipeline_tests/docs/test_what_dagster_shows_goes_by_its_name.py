"""Jobs, schedules and sensors that the documents name are those that Dagster's UI shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import FORMER_JOBS
from ledgerguard_pipeline_tests.defs.conftest import plain_settings
from ledgerguard_pipeline_tests.docs.documents import DOCUMENTS, prose

HISTORY = {"CHANGELOG.md", "decisions.md"}
NAMED = re.compile(r"\b(job|schedule|sensor)s? `([a-z_]+)`")
CURRENT = [path for path in DOCUMENTS if path.name not in HISTORY and NAMED.search(prose(path))]


@pytest.fixture(scope="module")
def names() -> dict[str, set[str]]:
    """By kind; in a project of others the names of jobs and sensors have a prefix."""
    repository = build_definitions(plain_settings()).get_repository_def()
    own = {
        "job": {each.name for each in repository.get_all_jobs()} - FORMER_JOBS.keys(),
        "schedule": {each.name for each in repository.schedule_defs},
        "sensor": {each.name for each in repository.sensor_defs},
    }
    return {kind: found | {f"quickbooks_{each}" for each in found} for kind, found in own.items()}


@pytest.mark.parametrize("path", CURRENT, ids=lambda path: path.name)
def test_it_exists_under_the_name_that_is_written(path: Path, names: dict[str, set[str]]) -> None:
    named = NAMED.findall(" ".join(prose(path).split()))
    unknown = [f"{kind} {name}" for kind, name in named if name not in names[kind]]
    assert unknown == []
