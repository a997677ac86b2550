#!/bin/sh
# Dagster 1.13.27: each selection of assets that a process was asked to run stays in its memory.
#
# A run of some of a job's assets gets a job of its own, whose configuration has its own types (Shape,
# Permissive). The job is forgotten after the run; the types are kept by their contents in a dictionary
# of the module that nothing ever shortens, with everything they lead to. The same selection twice costs
# nothing; another selection costs 7 to 9 kB for as long as the process lives, in a code server, too, which
# makes such a job whenever the daemon launches a run. Sensors that select what an event names (which of
# 38 tables changed) hardly ever select the same twice.
#
# Output:
#   after 100 launches of one selection: 1 more
#   after 100 selections, launched once: 101 more
#   after 200 selections, launched once: 201 more
# In this product: its code servers keep the 100 to 200 most recent of these types.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
cd "$folder"
DAGSTER_DISABLE_TELEMETRY=yes "$folder/venv/bin/python" - <<'PYTHON'
import gc
import itertools
import logging

import dagster as dg

logging.disable()
names = [f"table{number}" for number in range(12)]
definitions = dg.Definitions([dg.asset(name=name)(lambda: None) for name in names])
job = definitions.get_implicit_global_asset_job_def()


def types():
    gc.collect()
    return sum(type(each) is dg.Shape for each in gc.get_objects())


def launch(selection):
    assert job.execute_in_process(asset_selection=[dg.AssetKey(name) for name in selection]).success


launch(names[:1])
before = types()
for _ in range(100):
    launch(names[:2])
one = types() - before
print(f"after 100 launches of one selection: {one} more")
many = []
for number, selection in enumerate(itertools.islice(itertools.combinations(names, 3), 200), 1):
    launch(selection)
    if number % 100 == 0:
        many.append(types() - before)
        print(f"after {number} selections, launched once: {many[-1]} more")
assert (one, many) == (1, [101, 201]), "the behaviour changed"
PYTHON
