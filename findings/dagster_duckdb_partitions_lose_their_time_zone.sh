#!/bin/sh
# dagster-duckdb-pandas 0.29.27 with DuckDB 1.5.5: a day in its own time zone deletes rows of other days.
#
# The days of the asset are those of Los Angeles, and its column holds instants. The IO manager replaces a
# day by deleting from its beginning to its end, and writes both bounds without their offset. DuckDB reads
# them in the zone of its session, the machine's: UTC in most containers. So June 2 deletes the evening of
# June 1, which was just stored, and leaves its own evening, which is stored once more by each repetition.
# Every run is green, loading a day downstream is shifted in the same way, and on a laptop set to Los
# Angeles all is well.
#
# Output:
#   June 1: invoices 1 2
#   June 2: invoices 1 3 4
#   June 2 again: invoices 1 3 4 4
# In this product: no row is deleted by its partition, and each instant is bound as a value that has its
# offset.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27 dagster-duckdb-pandas==0.29.27 duckdb==1.5.5 pandas==2.3.3
TZ=UTC DAGSTER_HOME='' "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import sys

import dagster as dg
import duckdb
import pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager

INVOICES = {
    1: "2026-06-01T09:00:00-07:00",
    2: "2026-06-01T20:00:00-07:00",
    3: "2026-06-02T09:00:00-07:00",
    4: "2026-06-02T20:00:00-07:00",
}
FRAME = pd.DataFrame({"id": list(INVOICES), "created": pd.to_datetime(list(INVOICES.values()), utc=True)})
days = dg.DailyPartitionsDefinition("2026-06-01", timezone="America/Los_Angeles", end_date="2026-06-03")


@dg.asset(partitions_def=days, metadata={"partition_expr": "created"})
def invoices(context: dg.AssetExecutionContext) -> pd.DataFrame:
    window = context.partition_time_window
    return FRAME[(FRAME["created"] >= window.start) & (FRAME["created"] < window.end)]


file = f"{sys.argv[1]}/store.duckdb"
manager = DuckDBPandasIOManager(database=file, schema="books")
stored = []
for title, day in (("June 1:", "2026-06-01"), ("June 2:", "2026-06-02"), ("June 2 again:", "2026-06-02")):
    assert dg.materialize([invoices], partition_key=day, resources={"io_manager": manager}).success
    # As the package connects: DuckDB refuses a second connection with other settings.
    with duckdb.connect(file, config={"custom_user_agent": "dagster"}) as connection:
        rows = connection.execute("SELECT id FROM books.invoices ORDER BY id").fetchall()
    stored.append([number for (number,) in rows])
    print(title, "invoices", *stored[-1])
assert stored == [[1, 2], [1, 3, 4], [1, 3, 4, 4]], "the behaviour changed"
PYTHON
