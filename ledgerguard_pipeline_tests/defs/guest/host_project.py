"""Somebody's own Dagster project, with QuickBooks taken along."""

import dagster as dg

from ledgerguard_pipeline.dagster import QuickBooksBronze, quickbooks_definitions
from ledgerguard_pipeline.defs.partitions import REALM, WINDOW

ENTITIES = ("Customer", "Invoice", "Purchase")
REALMS = "quickbooks_realm"
BRONZE = [dg.AssetKey(["qbo", "bronze", name]) for name in ("customer", "invoice", "purchase")]


@dg.asset(
    deps=[dg.AssetKey(["qbo", "bronze", "invoice"])],
    partitions_def=dg.DynamicPartitionsDefinition(name=REALMS),
)
def invoices_of_company(
    context: dg.AssetExecutionContext, quickbooks: QuickBooksBronze
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
    with quickbooks.get_connection() as connection:
        found = connection.execute(
            "SELECT count(*) FROM bronze.invoice_current WHERE realm_id = ?",
            [context.partition_key],
        ).fetchone()
    assert found is not None
    return dg.MaterializeResult(metadata={"invoices": int(found[0])})


@dg.asset(group_name="sales")
def duckdb_of_the_host(duckdb: dg.ResourceParam[str]) -> str:
    return duckdb


HOST = dg.Definitions(
    assets=[duckdb_of_the_host],
    resources={"duckdb": "a warehouse"},
    jobs=[
        dg.define_asset_job("reconcile", selection=[duckdb_of_the_host]),
        dg.define_asset_job("everything", selection=[duckdb_of_the_host]),
    ],
)


def host_definitions() -> dg.Definitions:
    """The project; where the installation is, variables of the host's own say."""
    quickbooks = QuickBooksBronze(
        home=dg.EnvVar("BOOKS_HOME"),
        client_id=dg.EnvVar("BOOKS_CLIENT"),
        client_secret=dg.EnvVar("BOOKS_SECRET"),
        base_url=dg.EnvVar("BOOKS_HOST"),
    )
    taken = quickbooks_definitions(quickbooks, entities=ENTITIES, silver=False)
    own = dg.Definitions(
        assets=[invoices_of_company],
        jobs=[dg.define_asset_job("load", selection=dg.AssetSelection.assets(*BRONZE))],
    )
    return dg.Definitions.merge(HOST, own, taken)


def load() -> dg.JobDefinition:
    """A job of the host's own, which a process for each step finds again by this name."""
    return host_definitions().resolve_job_def("load")


def now(host: dg.Definitions, realm: str, key: dg.AssetKey = BRONZE[0]) -> str:
    """The cell a company is kept current in."""
    cells = host.resolve_asset_graph().get(key).partitions_def
    assert isinstance(cells, dg.MultiPartitionsDefinition)
    windows = cells.get_partitions_def_for_dimension(WINDOW)
    window = windows.get_last_partition_key()
    assert window is not None
    return str(dg.MultiPartitionKey({REALM: realm, WINDOW: window}))
