from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # ships none
from dagster_celery.launcher import CeleryRunLauncher

from ledgerguard_pipeline.dagster import CompanyRunCoordinator

PAGE = Path(__file__).parents[3] / "docs" / "dagster.md"
KEYS = {"run_launcher", "run_coordinator", "concurrency"}
"""Of a ``dagster.yaml``; what the page shows of Helm's values begins with others."""


def test_what_the_page_says_of_an_instance_is_taken_by_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a host with Celery that limits the runs of a company. No broker is called."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = [block for block in blocks if yaml.safe_load(block).keys() <= KEYS]
    assert len(shown) == 2
    (tmp_path / "dagster.yaml").write_text("\n".join(shown), encoding="utf-8")
    for name in ("DAGSTER_CELERY_BROKER_URL", "DAGSTER_CELERY_BACKEND_URL"):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, CeleryRunLauncher)
        assert isinstance(instance.run_coordinator, CompanyRunCoordinator)
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert [limit["key"] for limit in queue.tag_concurrency_limits] == ["ledgerguard/realm"]
