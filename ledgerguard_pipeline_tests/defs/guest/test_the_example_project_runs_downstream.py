"""The example in the documents loads, and what is downstream runs when a company changes."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.dagster import any_parent_updated, quickbooks_definitions
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND
from ledgerguard_pipeline_tests.defs.guest.host_project import BRONZE, REALMS, now

EXAMPLE = Path(__file__).parents[3] / "examples" / "dagster_project" / "definitions.py"
CUSTOMER, INVOICE, _ = BRONZE
PER_COMPANY, OVER_ALL = dg.AssetKey("open_receivables"), dg.AssetKey("receivables_of_the_group")
CHECK = dg.AssetCheckKey(dg.AssetKey(["qbo", "silver", "invoice"]),
                         "no_invoice_is_due_before_its_date")  # fmt: skip

# Dagster warns of its own sensor for automation conditions.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        found.add_dynamic_partitions(REALMS, [FIRST, SECOND])
        yield found


def test_its_conditions_are_acted_on_from_the_start() -> None:
    """Dagster's own sensor for them begins switched off."""
    repository = runpy.run_path(str(EXAMPLE))["defs"].get_repository_def()
    running = [
        each
        for each in repository.sensor_defs
        if isinstance(each, dg.AutomationConditionSensorDefinition)
        and each.default_status is dg.DefaultSensorStatus.RUNNING
    ]
    graph = repository.asset_graph
    acted_on = {key for each in running for key in each.asset_selection.resolve(graph)}
    assert acted_on >= {PER_COMPANY, OVER_ALL}


def test_its_assets_and_its_check_read_what_quickbooks_holds(
    at_home: Settings, sandbox: SandboxServer, instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in {
        "LEDGERGUARD_HOME": str(at_home.ledgerguard_home), "ALERTS_URL": "http://127.0.0.1:1",
        "INTUIT_CLIENT_ID": sandbox.client_id, "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    defs = runpy.run_path(str(EXAMPLE))["defs"]
    dg.Definitions.validate_loadable(defs)
    job = defs.resolve_implicit_global_asset_job_def()
    realm = sandbox.realm_id
    loaded = job.execute_in_process(
        instance=instance, asset_selection=[CUSTOMER, INVOICE], partition_key=now(defs, realm)
    )
    assert loaded.success
    for key, partition in ((PER_COMPANY, realm), (OVER_ALL, None)):
        done = job.execute_in_process(
            instance=instance, asset_selection=[key], partition_key=partition
        )
        assert done.success
        (event,) = done.get_asset_materialization_events()
        metadata = event.step_materialization_data.materialization.metadata
        assert metadata.keys() & {"invoices", "companies"}
        assert any(int(str(metadata[name].value)) > 0 for name in ("invoices", "companies")
                   if name in metadata)  # fmt: skip
    assert CHECK in defs.resolve_asset_graph().asset_check_keys


def _downstream(parent: dg.AssetKey, condition: dg.AutomationCondition[Any]) -> dg.Definitions:
    @dg.asset(
        deps=[parent], partitions_def=dg.DynamicPartitionsDefinition(name=REALMS),
        automation_condition=condition,
    )  # fmt: skip
    def of_company() -> None: ...

    @dg.asset(deps=[parent], automation_condition=condition)
    def of_all() -> None: ...

    taken = quickbooks_definitions(entities=["Customer", "Invoice"], schedules=False)
    return dg.Definitions.merge(taken, dg.Definitions(assets=[of_company, of_all]))


def _requested(
    defs: dg.Definitions, instance: dg.DagsterInstance, parent: dg.AssetKey, partition: str
) -> dict[str, set[str | None]]:
    """What runs after a parent's partition was materialized."""
    first = dg.evaluate_automation_conditions(defs=defs, instance=instance)
    instance.report_runless_asset_event(dg.AssetMaterialization(parent, partition=partition))
    second = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=first.cursor)
    found: dict[str, set[str | None]] = {}
    for key in ("of_company", "of_all"):
        keys = second.get_requested_partitions(dg.AssetKey(key))
        if keys:
            found[key] = set(keys)
    return found


@pytest.mark.parametrize("layer", ["bronze", "silver"])
def test_what_is_downstream_runs_for_the_company_that_changed(
    instance: dg.DagsterInstance, layer: str
) -> None:
    parent = dg.AssetKey(["qbo", layer, "invoice"])
    defs = _downstream(parent, any_parent_updated())
    partition = now(defs, FIRST, INVOICE) if layer == "bronze" else FIRST
    found = _requested(defs, instance, parent, partition)
    assert found == {"of_company": {FIRST}, "of_all": {None}}


def test_eager_itself_waits_for_cells_that_never_come(instance: dg.DagsterInstance) -> None:
    defs = _downstream(INVOICE, dg.AutomationCondition.eager())
    assert _requested(defs, instance, INVOICE, now(defs, FIRST, INVOICE)) == {}


def test_its_sensor_sends_an_alert_that_names_the_company() -> None:
    module = runpy.run_path(str(EXAMPLE))
    sent: list[str] = []

    def keep(_: object, text: str) -> None:
        sent.append(text)

    alerts = type("Kept", (module["Alerts"],), {"send": keep})(url="http://127.0.0.1:1")

    @dg.op
    def fail() -> None:
        raise ZeroDivisionError

    @dg.job(tags={"ledgerguard/realm": FIRST, "ledgerguard/company": "Acme"})
    def failing() -> None:
        fail()

    with dg.DagsterInstance.ephemeral() as instance:
        done = failing.execute_in_process(instance=instance, raise_on_error=False)
        (event,) = [each for each in done.all_events if each.is_run_failure]
        context = dg.build_run_status_sensor_context(
            "alert_about_failed_syncs", event, instance, done.dagster_run,
            resources={"alerts": alerts},
        ).for_run_failure()  # fmt: skip
        module["alert_about_failed_syncs"](context)
    assert len(sent) == 1
    assert f"of Acme ({FIRST})" in sent[0]
