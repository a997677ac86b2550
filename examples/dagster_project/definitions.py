"""A Dagster project with QuickBooks in it: assets on Silver, a check and an alert of its own."""

import dagster as dg
import requests

from ledgerguard_pipeline.dagster import (
    QuickBooksBronze,
    any_parent_updated,
    quickbooks_definitions,
)

COMPANIES = dg.DynamicPartitionsDefinition(name="quickbooks_realm")
INVOICES = dg.AssetKey(["qbo", "silver", "invoice"])


@dg.asset(
    group_name="finance",
    deps=[INVOICES],
    partitions_def=COMPANIES,
    automation_condition=any_parent_updated(),
)
def open_receivables(
    context: dg.AssetExecutionContext, quickbooks: QuickBooksBronze
) -> dg.MaterializeResult:
    """What each customer of one company owes; a partition is a company."""
    with quickbooks.get_connection() as connection:
        found = connection.execute(
            "SELECT count(*), coalesce(sum(balance), 0) FROM silver.v_invoice "
            "WHERE realm_id = ? AND balance > 0",
            [context.partition_key],
        ).fetchone()
    count, owed = found or (0, 0)
    return dg.MaterializeResult(
        metadata={"invoices": int(count), "owed": dg.MetadataValue.text(str(owed))}
    )


@dg.asset(group_name="finance", deps=[INVOICES], automation_condition=any_parent_updated())
def receivables_of_the_group(quickbooks: QuickBooksBronze) -> dg.MaterializeResult:
    """All companies together: no partitions, so any of them makes it run."""
    with quickbooks.get_connection() as connection:
        rows = connection.execute(
            "SELECT realm_id, sum(balance) FROM silver.v_invoice GROUP BY realm_id"
        ).fetchall()
    return dg.MaterializeResult(
        metadata={"companies": len(rows), "owed": {realm: str(owed) for realm, owed in rows}}
    )


@dg.asset_check(asset=INVOICES)
def no_invoice_is_due_before_its_date(quickbooks: QuickBooksBronze) -> dg.AssetCheckResult:
    """A rule of this firm, not of QuickBooks."""
    with quickbooks.get_connection() as connection:
        found = connection.execute(
            "SELECT realm_id, id FROM silver.invoice WHERE due_date < txn_date LIMIT 20"
        ).fetchall()
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"invoices": [f"{realm}/{id}" for realm, id in found]},
    )


class Alerts(dg.ConfigurableResource):
    """Where alerts go: any address that takes JSON."""

    url: str

    def send(self, text: str) -> None:
        requests.post(self.url, json={"text": text}, timeout=10).raise_for_status()


@dg.run_failure_sensor(minimum_interval_seconds=30)
def alert_about_failed_syncs(context: dg.RunFailureSensorContext, alerts: Alerts) -> None:
    """Every failed run of a company, by name; other runs of the project are not our business."""
    tags = context.dagster_run.tags
    company = tags.get("ledgerguard/realm")
    if company is not None:
        company = f"{tags.get('ledgerguard/company', 'company')} ({company})"
        alerts.send(f"{context.dagster_run.job_name} of {company}: {context.failure_event.message}")


automation = dg.AutomationConditionSensorDefinition(
    "finance_automation",
    target=dg.AssetSelection.groups("finance"),
    default_status=dg.DefaultSensorStatus.RUNNING,  # Dagster's own begins switched off
)


defs = dg.Definitions.merge(
    dg.Definitions(
        assets=[open_receivables, receivables_of_the_group],
        asset_checks=[no_invoice_is_due_before_its_date],
        sensors=[alert_about_failed_syncs, automation],
        resources={"alerts": Alerts(url=dg.EnvVar("ALERTS_URL"))},
    ),
    quickbooks_definitions(
        QuickBooksBronze(
            home=dg.EnvVar("LEDGERGUARD_HOME"),
            client_id=dg.EnvVar("INTUIT_CLIENT_ID"),
            client_secret=dg.EnvVar("INTUIT_CLIENT_SECRET"),
        ),
        entities=["Customer", "Invoice", "Payment"],
    ),
)
