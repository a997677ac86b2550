"""In a project made by Dagster's own tools the component is found, scaffolded and materialized."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # read in tests only

from ledgerguard_pipeline import QuickBooksComponent
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.dagster import QuickBooksTable
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.defs.guest.host_project import REALMS, now

TOOLS = Path(sys.executable).parent
TYPE = "ledgerguard_pipeline.QuickBooksComponent"
CUSTOMER = dg.AssetKey(["qbo", "bronze", "customer"])

pytestmark = pytest.mark.filterwarnings(
    # Dagster warns of its own parts of components and of dg.
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
)


def _tool(*words: str, cwd: Path) -> str:
    environment = os.environ | {
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(TOOLS.parent),
        "DAGSTER_DG_CLI_TELEMETRY": "0", "HOME": str(cwd),
    }  # fmt: skip
    done = subprocess.run(
        [str(TOOLS / words[0]), *words[1:]],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the component, by ``create-dagster`` and ``dg scaffold defs``."""
    _tool("create-dagster", "project", "books", "--no-uv-sync", cwd=tmp_path)
    _tool("dg", "scaffold", "defs", TYPE, "quickbooks", cwd=tmp_path / "books")
    return tmp_path / "books"


def test_a_scaffolded_component_loads_a_company(
    project: Path, at_home: Settings, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "src" / "books" / "defs" / "quickbooks" / "defs.yaml"
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert written["type"] == TYPE
    assert written["attributes"]["client_secret"] == "{{ env.INTUIT_CLIENT_SECRET }}"
    written["attributes"] |= {
        "base_url": "{{ env.BOOKS_HOST }}", "entities": ["Customer"], "silver": False,
        "translation": {"group_name": "taken_along", "tags": {"table": "{{ name }}"}},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    for name, value in {
        "LEDGERGUARD_HOME": str(at_home.ledgerguard_home), "BOOKS_HOST": sandbox.base_url,
        "INTUIT_CLIENT_ID": sandbox.client_id, "INTUIT_CLIENT_SECRET": sandbox.client_secret,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(project / "src"))
    defs = dg.load_from_defs_folder(path_within_project=file.parent)
    node = defs.resolve_asset_graph().get(CUSTOMER)
    assert (node.group_name, node.tags["table"]) == ("taken_along", "customer")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(REALMS, [sandbox.realm_id])
        done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[CUSTOMER],
            partition_key=now(defs, sandbox.realm_id, CUSTOMER),
        )  # fmt: skip
        assert done.success
        stored = instance.get_latest_materialization_event(CUSTOMER)
    assert stored is not None
    assert stored.asset_materialization is not None
    rows = stored.asset_materialization.metadata["dagster/row_count"].value
    assert rows == len(sandbox.truth("Customer", sandbox.realm_id).bodies())


def test_dg_names_the_component_among_those_that_are_installed() -> None:
    listed = json.loads(_tool("dg", "list", "components", "--json", cwd=Path.cwd()))
    assert TYPE in {each["key"] for each in listed["items"]}


def test_the_schema_says_what_may_be_written() -> None:
    model = QuickBooksComponent.get_model_cls()
    assert model is not None
    schema = model.model_json_schema()
    assert schema["additionalProperties"] is False
    assert {"home", "client_secret", "entities", "companies", "translation", "key_prefix"} <= set(
        schema["properties"]
    )


def test_a_subclass_renames_assets_as_a_translator_does() -> None:
    class Ours(QuickBooksComponent):
        def get_asset_spec(self, table: QuickBooksTable) -> dg.AssetSpec:
            spec = super().get_asset_spec(table)
            return spec.replace_attributes(key=spec.key.with_prefix("raw"))

    component = Ours(entities=["Invoice"], client_secret="of-nobody")
    assert "of-nobody" not in repr(component)
    defs = component.build_defs(dg.ComponentTree.for_test().load_context)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"raw/qbo/bronze/invoice", "raw/qbo/silver/invoice", "raw/qbo/connection"}
