#!/bin/sh
# dagster-duckdb-pandas 0.29.27 with DuckDB 1.5.5: the first partition decides how exact the others are.
#
# An asset returns a frame of Decimals per month. The first month makes the table, and DuckDB types its
# column from the values it sees there: two decimals, DECIMAL(4,2). Later months are inserted into it:
# a rate of 0.125 becomes 0.13 without an error, in run and UI everything is green. (An amount with more
# digits before the point fails the run: with February first, January's 10.00 does.)
#
# Output:
#   January first: DECIMAL(4,2), February's 0.125 is 0.13, runs that failed: 0
#   February first: DECIMAL(3,3), February's 0.125 is 0.125, runs that failed: 1
# In this product: assets write through a store whose columns have fixed types, not through IO managers.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27 dagster-duckdb-pandas==0.29.27 duckdb==1.5.5 pandas==2.3.3
DAGSTER_HOME='' "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import sys
from decimal import Decimal

import dagster as dg
import duckdb
import pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager

RATES = {"January": ["10.00", "2.50"], "February": ["0.125"]}
months = dg.StaticPartitionsDefinition(list(RATES))


@dg.asset(partitions_def=months, metadata={"partition_expr": "month"})
def rates(context: dg.AssetExecutionContext) -> pd.DataFrame:
    values = [Decimal(text) for text in RATES[context.partition_key]]
    return pd.DataFrame({"month": context.partition_key, "rate": values})


found = {}
for order in (("January", "February"), ("February", "January")):
    file = f"{sys.argv[1]}/{order[0]}.duckdb"
    manager = DuckDBPandasIOManager(database=file, schema="books")
    failed = sum(
        not dg.materialize([rates], partition_key=month, resources={"io_manager": manager},
                           raise_on_error=False).success
        for month in order
    )
    # As the package connects: DuckDB refuses a second connection with other settings.
    with duckdb.connect(file, config={"custom_user_agent": "dagster"}) as connection:
        kind, rate = connection.execute(
            "SELECT typeof(rate), rate FROM books.rates WHERE month = 'February'"
        ).fetchone()
    found[order[0]] = rate, failed
    print(f"{order[0]} first: {kind}, February's 0.125 is {rate}, runs that failed: {failed}")
assert found["January"] == (Decimal("0.13"), 0), "the behaviour changed"
assert found["February"] == (Decimal("0.125"), 1), "the behaviour changed"
PYTHON
