"""Reports are assets of their own, one cell a company, and each keeps what Intuit sent."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import REPORTS_JOB
from ledgerguard_pipeline.defs.partitions import REALM, realm_partitions
from ledgerguard_pipeline.defs.reports.assets import report_key
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.reports.stored import STORED_REPORTS
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer

DAYS = {"end": "2026-10-31"}


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


@pytest.fixture
def instance(sandbox: SandboxServer) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(REALM, [sandbox.realm_id])
        yield made


def run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    realm: str,
    names: list[str] | None = None,
) -> dg.ExecuteInProcessResult:
    chosen = list(STORED_REPORTS) if names is None else names
    steps = {report_key(name).to_python_identifier(): {"config": DAYS} for name in chosen}
    return definitions.resolve_job_def(REPORTS_JOB).execute_in_process(
        run_config={"ops": steps},
        instance=instance,
        partition_key=realm,
        asset_selection=[report_key(name) for name in chosen],
        raise_on_error=False,
    )


def test_every_report_is_an_asset_partitioned_by_company(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key for key in graph.materializable_asset_keys if key.path[:2] == ["qbo", "reports"]}
    assert keys == {report_key(name) for name in STORED_REPORTS}
    assert report_key("TrialBalance").path[-1] == "trial_balance"
    for key in keys:
        node = graph.get(key)
        assert node.partitions_def == realm_partitions()
        assert node.group_name == "quickbooks_reports"
        assert node.description
        assert node.owners


def test_a_run_keeps_every_report_and_statements_on_both_bases(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    connected: Installation,
    sandbox: SandboxServer,
) -> None:
    sandbox.set(limits=False)
    done = run(definitions, instance, sandbox.realm_id)
    assert done.success
    kept = connected.bronze.reports.list(sandbox.realm_id)
    assert {each.report for each in kept} == set(STORED_REPORTS)
    bases = {(each.report, each.basis) for each in kept}
    assert {basis for name, basis in bases if name == "BalanceSheet"} == {"Accrual", "Cash"}
    assert {basis for name, basis in bases if name == "ProfitAndLoss"} == {"Accrual", "Cash"}
    assert ("TrialBalance", "Accrual") in bases
    assert all(each.run_id == done.run_id for each in kept)
    event = instance.get_latest_materialization_event(report_key("BalanceSheet"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["metered_calls"].value == 2
    assert event.asset_materialization.partition == sandbox.realm_id


def test_a_denied_report_fails_alone_and_says_what_to_do(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    connected: Installation,
    sandbox: SandboxServer,
) -> None:
    sandbox.set(reports={"denied": ["CashFlow"]}, limits=False)
    done = run(definitions, instance, sandbox.realm_id, ["CashFlow", "TrialBalance"])
    assert not done.success
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    assert failed.step_key == report_key("CashFlow").to_python_identifier()
    assert "Let an administrator" in str(failed.step_failure_data.user_failure_data)
    assert [each.report for each in connected.bronze.reports.list(sandbox.realm_id)] == [
        "TrialBalance"
    ]


def test_reports_are_left_out_where_the_months_budget_is_nearly_used(
    settings: Settings,
    instance: dg.DagsterInstance,
    connected: Installation,
    sandbox: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGERGUARD_MONTHLY_CALL_BUDGET", "1")
    done = run(build_definitions(settings), instance, sandbox.realm_id, ["TrialBalance"])
    assert done.success
    assert connected.bronze.reports.list(sandbox.realm_id) == []
    assert instance.get_latest_materialization_event(report_key("TrialBalance")) is None
    (seen,) = [event for event in done.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    assert "kept for changes" in str(seen)


def test_days_that_are_none_fail_with_a_sentence(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    connected: Installation,
    sandbox: SandboxServer,
) -> None:
    steps = {report_key("CashFlow").to_python_identifier(): {"config": {"end": "yesterday"}}}
    done = definitions.resolve_job_def(REPORTS_JOB).execute_in_process(
        run_config={"ops": steps},
        instance=instance,
        partition_key=sandbox.realm_id,
        asset_selection=[report_key("CashFlow")],
        raise_on_error=False,
    )
    assert not done.success
    assert "write a date as in 2026-10-31" in str(done.all_events)
