#!/bin/sh
# Dagster 1.13.27: a blocking check that failed for one company lets its report run once another passes.
#
# AutomationCondition.all_deps_blocking_checks_passed() is described as true for any partition whose
# upstream blocking checks have passed. A check without partitions of its own (the default, also on a
# partitioned asset, where it runs with the partition's key) has one state for the whole asset: that of its
# last run. Company A fails, company B passes a minute later, and the next tick asks for the reports of
# both, A's from the figures that were just refused. In the other order B's report, whose check passed,
# is not asked for. A check given the asset's partitions_def is judged by partition.
#
# Output:
#   A fails, then B passes: reports asked for A B
#   B passes, then A fails: reports asked for none
#   with partitions_def:    reports asked for B
# In this product: the definitions give no automation condition that waits for checks.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
DAGSTER_HOME='' "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import dagster as dg

companies = dg.StaticPartitionsDefinition(["A", "B"])
passed = dg.AutomationCondition.all_deps_blocking_checks_passed()


def reports_asked_for(order, **options):
    @dg.asset(partitions_def=companies)
    def invoices(context: dg.AssetExecutionContext) -> None: ...

    @dg.asset_check(asset=invoices, blocking=True, **options)
    def ties_out(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=context.run.tags["dagster/partition"] == "B")

    @dg.asset(deps=[invoices], partitions_def=companies,
              automation_condition=dg.AutomationCondition.eager() & passed)
    def report(context: dg.AssetExecutionContext) -> None: ...

    definitions = dg.Definitions(assets=[invoices, report], asset_checks=[ties_out])
    with dg.DagsterInstance.ephemeral() as instance:
        tick = dg.evaluate_automation_conditions(definitions, instance=instance)
        for company in order:
            run = dg.materialize([invoices, ties_out], partition_key=company, instance=instance,
                                 raise_on_error=False)
            assert run.success == (company == "B"), "the check used to fail for A only"
        tick = dg.evaluate_automation_conditions(definitions, instance=instance, cursor=tick.cursor)
    return sorted(tick.get_requested_partitions(report.key))


found = reports_asked_for("AB"), reports_asked_for("BA"), reports_asked_for("AB", partitions_def=companies)
for title, asked in zip(("A fails, then B passes:", "B passes, then A fails:", "with partitions_def:   "), found):
    print(title, "reports asked for", *asked or ["none"])
assert found == (["A", "B"], [], ["B"]), "the behaviour changed"
PYTHON
