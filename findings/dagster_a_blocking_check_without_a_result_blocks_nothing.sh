#!/bin/sh
# Dagster 1.13.27: where a step may be run in part, a blocking check that gives no result blocks nothing.
#
# A multi_asset with can_subset=True yields what was selected. If it yields no result for a check that was
# selected, as integrations do that return early or translate results one by one, the step succeeds, the
# check is shown as skipped, and assets behind it are made as if a blocking check had passed. Nothing warns.
# The same step without can_subset fails, and so does a plain asset. A run of the check alone is green, too.
#
# Output:
#   can_subset=True:  run succeeded, checks evaluated 0, steps done load report
#   can_subset=False: run failed, checks evaluated 0, steps done none
#   check alone:      run succeeded, checks evaluated 0, steps done load
# In this product: none of its checks is blocking, and a check that is run alone in another project's step
#   says what the last loads of all companies found.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
DAGSTER_HOME='' "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import dagster as dg

TIES_OUT = dg.AssetCheckKey(dg.AssetKey("invoices"), "ties_out")


def run(selection, *, can_subset):
    @dg.multi_asset(
        specs=[dg.AssetSpec("invoices", skippable=can_subset)],
        check_specs=[dg.AssetCheckSpec("ties_out", asset="invoices", blocking=True)],
        can_subset=can_subset,
    )
    def load(context: dg.AssetExecutionContext):
        if dg.AssetKey("invoices") in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key="invoices")

    @dg.asset(deps=["invoices"])
    def report() -> None: ...

    definitions = dg.Definitions([load, report], jobs=[dg.define_asset_job("now", selection=selection)])
    with dg.DagsterInstance.ephemeral() as instance:
        done = definitions.resolve_job_def("now").execute_in_process(instance=instance, raise_on_error=False)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([TIES_OUT])[TIES_OUT]
        assert record.status.value == "PLANNED", "the check used to be left as it was planned"
    steps = [event.step_key for event in done.all_events if event.is_step_success]
    return done.success, len(done.get_asset_check_evaluations()), steps


found = {
    "can_subset=True: ": run(dg.AssetSelection.all(), can_subset=True),
    "can_subset=False:": run(dg.AssetSelection.all(), can_subset=False),
    "check alone:     ": run(dg.AssetSelection.checks(TIES_OUT), can_subset=True),
}
for title, (success, evaluated, steps) in found.items():
    print(f"{title} run {'succeeded' if success else 'failed'}, checks evaluated {evaluated}, "
          f"steps done {' '.join(steps) or 'none'}")
expected = [(True, 0, ["load", "report"]), (False, 0, []), (True, 0, ["load"])]
assert list(found.values()) == expected, "the behaviour changed"
PYTHON
