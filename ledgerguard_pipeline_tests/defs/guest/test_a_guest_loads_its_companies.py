"""In a host project, on its instance and by its executor, companies are loaded as at home."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.dagster import QuickBooksBronze, quickbooks_definitions
from ledgerguard_pipeline.defs.bronze.checks import QUARANTINE
from ledgerguard_pipeline.defs.keys import BATCH_TAG, REALM_TAG
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.defs.guest.host_project import (
    BRONZE,
    ENTITIES,
    REALMS,
    host_definitions,
    load,
    now,
)


@pytest.fixture
def host(
    at_home: Settings, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> dg.Definitions:
    """The host project; its variables are its own, none of ours is set."""
    monkeypatch.setenv("BOOKS_HOME", str(at_home.ledgerguard_home))
    monkeypatch.setenv("BOOKS_CLIENT", sandbox.client_id)
    monkeypatch.setenv("BOOKS_SECRET", sandbox.client_secret)
    monkeypatch.setenv("BOOKS_HOST", sandbox.base_url)
    return host_definitions()


@pytest.fixture
def instance(tmp_path: Path, sandbox: SandboxServer) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as found:
        found.add_dynamic_partitions(REALMS, [sandbox.realm_id])
        yield found


def _materialized(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetMaterialization]:
    found = {}
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = record.get_dagster_event().step_materialization_data.materialization
        found[event.asset_key.path[-1]] = event
    return found


def test_a_process_for_each_step_loads_a_company_in_one(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    assert host.resolve_job_def("load").executor_def.name == "multi_or_in_process_executor"
    sandbox.pop_log()
    with dg.execute_job(
        dg.reconstructable(load),
        instance,
        tags={"dagster/partition": now(host, sandbox.realm_id)},
    ) as done:
        assert done.success
        found = _materialized(instance, done.run_id)
        steps = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        checks = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert len(steps) == 1, "one process, whatever the number of entities"
    assert {"customer", "invoice", "purchase", "expense"} - {"expense"} <= set(found)
    evaluated = [each.get_dagster_event().asset_check_evaluation_data for each in checks]
    assert evaluated
    assert all(each.passed for each in evaluated)


def test_an_asset_of_the_hosts_own_reads_what_was_loaded(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    job = host.resolve_implicit_global_asset_job_def()
    loaded = job.execute_in_process(
        instance=instance, asset_selection=BRONZE, partition_key=now(host, sandbox.realm_id),
    )  # fmt: skip
    assert loaded.success
    done = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey("invoices_of_company")],
        partition_key=sandbox.realm_id,
    )
    (event,) = done.get_asset_materialization_events()
    invoices = len(sandbox.truth("Invoice", sandbox.realm_id).bodies())
    assert event.step_materialization_data.materialization.metadata["invoices"].value == invoices


def test_one_entity_that_fails_leaves_the_others_loaded(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    for endpoint in ("batch_item", "query", "cdc"):
        sandbox.inject("company_expired", endpoint=endpoint, entity="Purchase", probability=1.0)
    job = host.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance, asset_selection=BRONZE, partition_key=now(host, sandbox.realm_id),
        raise_on_error=False, run_config={"resources": {"quickbooks": {"config": {"full": True}}}},
    )  # fmt: skip
    sandbox.clear_faults()
    assert not done.success
    assert {"customer", "invoice"} <= set(_materialized(instance, done.run_id))
    assert "purchase" not in _materialized(instance, done.run_id)


def test_a_run_cannot_be_configured_for_another_installation(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer, tmp_path: Path
) -> None:
    job = host.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance, asset_selection=BRONZE, partition_key=now(host, sandbox.realm_id),
        raise_on_error=False,
        run_config={"resources": {"quickbooks": {"config": {"home": str(tmp_path / "another")}}}},
    )  # fmt: skip
    (failure,) = (each for each in done.all_node_events if each.is_step_failure)
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert "changes home of QuickBooksBronze" in str(said.description)
    assert not (tmp_path / "another").exists()


def test_what_a_run_leaves_out_is_checked_and_not_materialized(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    """As of events that are somebody else's by now."""
    job = host.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance, asset_selection=BRONZE, partition_key=now(host, sandbox.realm_id),
        tags={BATCH_TAG: "of-nobody"},
    )  # fmt: skip
    assert done.success
    assert done.get_asset_materialization_events() == []
    checked = {each.asset_key for each in done.get_asset_check_evaluations()}
    assert checked == set(BRONZE)


def alone(
    defs: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> dg.AssetCheckEvaluation:
    """A check as it is run without its asset."""
    job = defs.resolve_implicit_global_asset_job_def()
    checks = job.get_subset(asset_selection=set(), asset_check_selection={key})
    (evaluation,) = checks.execute_in_process(instance=instance).get_asset_check_evaluations()
    assert evaluation.asset_check_key == key
    return evaluation


def test_a_check_that_is_run_alone_tells_what_is_known_of_every_company(
    host: dg.Definitions, instance: dg.DagsterInstance, sandbox: SandboxServer, at_home: Settings
) -> None:
    realm, key = RealmId(sandbox.realm_id), dg.AssetCheckKey(BRONZE[0], QUARANTINE)
    with Installation.open(at_home) as installation:
        faults = installation.control.check_faults
        faults.judged(realm, [Judged("Customer", QUARANTINE, "2 records.", severe=False)])
        assert not alone(host, instance, key).passed
        # A project that works on other companies of the same installation fails by its own only.
        others = quickbooks_definitions(
            QuickBooksBronze(home=str(at_home.ledgerguard_home)), entities=ENTITIES,
            silver=False, companies=["1"],
        )  # fmt: skip
        assert alone(others, instance, key).passed
        faults.judged(realm, [Judged("Customer", QUARANTINE)])
    assert alone(host, instance, key).passed


def test_the_sensor_adds_the_chosen_companies_and_loads_them_for_the_first_time(
    at_home: Settings, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    installed = QuickBooksBronze(
        home=str(at_home.ledgerguard_home), client_id=sandbox.client_id,
        client_secret=sandbox.client_secret, base_url=sandbox.base_url,
    )  # fmt: skip
    for companies, expected in (([sandbox.realm_id], [sandbox.realm_id]), (["1"], [])):
        taken = quickbooks_definitions(
            installed, entities=ENTITIES, silver=False, companies=companies, prefix="eu"
        )
        (sensor,) = [
            each for each in taken.get_repository_def().sensor_defs if each.name == "eu_new_company"
        ]
        with dg.build_sensor_context(instance=instance) as context:
            found = sensor(context)
        requests = list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []
        assert [each.tags[REALM_TAG] for each in requests] == expected
        assert {each.tags[INSTALLATION_TAG] for each in requests} <= {"eu"}
        assert {each.job_name for each in requests} <= {"eu_bronze_sync"}


def test_sync_now_on_the_company_page_starts_a_run_of_the_host(
    at_home: Settings, instance: dg.DagsterInstance, sandbox: SandboxServer
) -> None:
    with Installation.open(at_home) as installation:
        installation.control.sync_requests.ask(RealmId(sandbox.realm_id), "Invoice")
    installed = QuickBooksBronze(home=str(at_home.ledgerguard_home))
    taken = quickbooks_definitions(installed, entities=ENTITIES, silver=False, prefix="eu")
    sensor = taken.get_repository_def().get_sensor_def("eu_sync_requests")
    with dg.build_sensor_context(instance=instance) as context:
        found = sensor(context)
    assert isinstance(found, dg.SensorResult)
    (run,) = found.run_requests or []
    assert (run.tags[REALM_TAG], run.tags[INSTALLATION_TAG]) == (sandbox.realm_id, "eu")
    assert run.asset_selection == [dg.AssetKey(["eu", "bronze", "invoice"])]
    assert [each.partitions_def_name for each in found.dynamic_partitions_requests or []] == [
        "eu_realm"
    ]
