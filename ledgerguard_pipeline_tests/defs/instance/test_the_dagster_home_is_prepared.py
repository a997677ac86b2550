"""The Dagster home of an installation is a fresh copy of the project's files."""

from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # Dagster brings it, without types

from ledgerguard_pipeline.defs.instance.home import dagster_instance, prepare_dagster_home
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline_tests.defs.conftest import plain_settings

PROJECT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def dagster_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_the_project_s_files_are_copied_and_kept_up_to_date(home: Path) -> None:
    folder = prepare_dagster_home(home)
    assert folder == home / "dagster"
    for name in ("dagster.yaml", "workspace.yaml"):
        assert (folder / name).read_bytes() == (PROJECT / name).read_bytes()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}")
    prepare_dagster_home(home)
    assert (folder / "dagster.yaml").read_bytes() == (PROJECT / "dagster.yaml").read_bytes()
    assert {each.name for each in folder.iterdir()} == {"dagster.yaml", "workspace.yaml"}


def test_the_home_is_for_its_owner_only(home: Path) -> None:
    assert prepare_dagster_home(home).stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_HOME"):
        prepare_dagster_home(tmp_path / "home")


def test_the_instance_keeps_everything_below_the_home(home: Path) -> None:
    settings = plain_settings(ledgerguard_home=home)
    with dagster_instance(settings) as instance:
        instance.add_dynamic_partitions("realm", ["9341453474484455"])
        assert not instance.telemetry_enabled
    assert (home / "dagster" / "history").is_dir()
    assert {each.name for each in home.iterdir()} == {"dagster"}


def test_dagster_yaml_lets_one_run_per_company_work_at_a_time(home: Path) -> None:
    with dagster_instance(plain_settings(ledgerguard_home=home)) as instance:
        config = instance.get_concurrency_config()
        limits = config.run_queue_config
        assert limits is not None
        assert limits.max_concurrent_runs == 4
        assert {
            "key": "ledgerguard/realm", "limit": 1, "value": {"applyLimitPerUniqueValue": True},
        } in list(limits.tag_concurrency_limits)  # fmt: skip
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure


def test_the_workspace_names_the_code_location_as_runs_do() -> None:
    document = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    [entry] = document["load_from"]
    assert entry["python_module"]["location_name"] == "ledgerguard"


def test_dagster_home_may_also_be_the_project_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    monkeypatch.setenv("DAGSTER_HOME", str(checkout))
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []
    assert (checkout / "history").is_dir()
