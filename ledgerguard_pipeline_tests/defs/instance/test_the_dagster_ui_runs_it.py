"""The web server and the daemon as a user starts them: nothing here is called directly.

One ``dagster dev`` serves all tests of this module; they take their companies one after the other.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import cell_partitions, current_window
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.instance.webserver import DONE, Dagster, Run, dagster_dev, wait

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(420)]

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    folder = tmp_path_factory.mktemp("dagster")
    with SandboxServer(invoices=40) as sandbox:
        settings = load_settings(
            ledgerguard_home=folder / "home",
            intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret,
            intuit_base_url=sandbox.base_url,
        )
        with Installation.open(settings) as installation:
            connect(installation, sandbox)
        with dagster_dev(settings, sandbox, folder / "dagster.log") as running:
            yield running


@pytest.fixture(scope="module")
def first_load(dagster: Dagster) -> Run:
    """The run that the new-company sensor launched by itself, finished."""

    def find() -> Run | None:
        mine = [run for run in dagster.runs() if run.tags.get("dagster/sensor_name")]
        return next((run for run in mine if run.status in DONE), None)

    return wait(find, 150, "the first load")


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        yield page
        browser.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go; ``LEDGERGUARD_SCREENSHOTS`` keeps them."""
    folder = Path(os.environ.get("SCREENSHOTS", str(tmp_path / "shots")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bronze(dagster: Dagster) -> BronzeStore:
    return BronzeStore(dagster.settings.bronze_path, dagster.settings.intuit_env)


def test_a_connected_company_is_loaded_without_anybodys_doing(
    dagster: Dagster, first_load: Run
) -> None:
    assert first_load.status == "SUCCESS"
    assert first_load.job == "bronze_sync"
    realm_id = dagster.sandbox.realm_id
    assert first_load.tags[REALM_TAG] == realm_id
    counts = _bronze(dagster).counts(realm_id)
    for entity in ("Invoice", "Customer", "Account"):
        assert counts[entity] == len(dagster.sandbox.truth(entity).bodies())


def test_schedules_and_the_sensor_are_on_from_the_start(dagster: Dagster) -> None:
    said = dagster.instigators()
    schedules, sensors, jobs = said["schedules"], said["sensors"], said["jobs"]
    assert isinstance(schedules, list)
    assert isinstance(sensors, list)
    assert isinstance(jobs, list)
    running = {each["name"] for each in schedules if each["scheduleState"]["status"] == "RUNNING"}
    assert {
        "changes_every_15_minutes", "queried_entities_hourly", "connection_health_hourly",
    } <= running  # fmt: skip
    assert {each["name"]: each["sensorState"]["status"] for each in sensors}[
        "new_company"
    ] == "RUNNING"
    assert {"bronze_sync", "bronze_changes", "bronze_queried"} <= {each["name"] for each in jobs}


def test_launching_a_cell_over_graphql_loads_what_changed(
    dagster: Dagster, first_load: Run
) -> None:
    assert first_load.status == "SUCCESS"
    realm_id = dagster.sandbox.realm_id
    window = current_window(cell_partitions(dagster.settings))
    dagster.sandbox.edit("create", "Customer")
    tags = {
        "dagster/partition": f"{realm_id}|{window}",
        "dagster/partition/realm": realm_id,
        "dagster/partition/window": window,
    }
    run_id = dagster.launch("__ASSET_JOB", tags, ["qbo", "bronze", "customer"])
    assert dagster.wait_for_run(run_id).status == "SUCCESS"
    truth = dagster.sandbox.truth("Customer").bodies()
    assert _bronze(dagster).counts(realm_id)["Customer"] == len(truth)


def test_a_click_on_materialize_fills_bronze(
    dagster: Dagster, first_load: Run, page: Page, shots: Path
) -> None:
    assert first_load.status == "SUCCESS"
    known = {run.id for run in dagster.runs()}
    dagster.sandbox.edit("create", "Vendor")
    page.goto(f"{dagster.url}/assets/qbo/bronze/vendor")
    page.get_by_role("button", name="Materialize", exact=False).first.click()
    page.get_by_role("button", name="All", exact=True).first.click()
    page.get_by_role("button", name="Latest", exact=True).click()
    launch = page.get_by_role("button", name="Launch", exact=False).last
    expect(launch).to_be_enabled(timeout=30_000)
    page.screenshot(path=shots / "materialize-dialog.png")
    launch.click()
    fresh = wait(
        lambda: next(
            (run for run in dagster.runs() if run.id not in known and run.status in DONE), None
        ),
        150,
        "the run that was clicked",
    )
    assert fresh.status == "SUCCESS"
    truth = dagster.sandbox.truth("Vendor").bodies()
    assert _bronze(dagster).counts(dagster.sandbox.realm_id)["Vendor"] == len(truth)


@pytest.mark.parametrize(
    "path,words",
    [
        ("/locations/ledgerguard/assets", "banking"),
        ("/assets/qbo/bronze/invoice", "bronze.invoice"),
        ("/assets/qbo/bronze/invoice?view=partitions", "9341453474484455"),
        ("/assets/qbo/bronze/invoice?view=checks", "every_row_accounted_for"),
        ("/assets/qbo/bronze/invoice?view=events", "rows_fetched"),
        ("/assets/qbo/connection?view=checks", "connection_health"),
        ("/automation", "changes_every_15_minutes"),
        ("/runs", "bronze_sync"),
        ("/locations/ledgerguard/jobs", "bronze_changes"),
    ],
)
def test_the_pages_show_what_an_operator_looks_for(
    dagster: Dagster, first_load: Run, page: Page, shots: Path, path: str, words: str
) -> None:
    assert first_load.status == "SUCCESS"
    page.goto(dagster.url + path)
    name = path.strip("/").replace("/", "-").replace("?", "-").replace("=", "-")
    try:
        expect(page.get_by_text(words).first).to_be_visible(timeout=45_000)
    finally:
        page.screenshot(path=shots / f"{name}.png")
