#!/bin/sh
# dlt 1.31.0 into DuckDB 1.5.5: one amount of QuickBooks ends in two columns, and their sum in neither.
#
# QuickBooks writes a balance of nothing as 0 and others as 362.07. dlt types a column by its first value:
# 0 makes it BIGINT. A later 362.07 does not fit, so it goes to a new column balance__v_double and leaves NULL
# in balance; a later 25 goes to balance again. No row is lost and nothing fails, but sum(balance) leaves
# out every amount with cents. Whether it happens depends on which invoice came first.
#
# Output:
#   columns: balance BIGINT, balance__v_double DOUBLE
#   rows:    [(0, None), (None, 362.07), (25, None)]
#   sum(balance): 25
# In this product: Bronze keeps the bytes, and each amount in Silver is one DECIMAL column whose type is
# declared, whatever comes first.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dlt==1.31.0 duckdb==1.5.5
cd "$folder"
DLT_DATA_DIR="$folder/dlt" RUNTIME__DLTHUB_TELEMETRY=false "$folder/venv/bin/python" - <<'PYTHON'
import json

import dlt
import duckdb

pages = (
    '[{"Id": "1", "Balance": 0}]',
    '[{"Id": "2", "Balance": 362.07}]',
    '[{"Id": "3", "Balance": 25}]',
)
pipeline = dlt.pipeline(
    "books", destination=dlt.destinations.duckdb("books.duckdb"), dataset_name="qbo"
)
for page in pages:
    pipeline.run(json.loads(page), table_name="invoice", write_disposition="append")
with duckdb.connect("books.duckdb") as connection:
    kinds = {name: kind for name, kind, *_ in connection.execute("DESCRIBE qbo.invoice").fetchall()}
    rows = connection.execute(
        "SELECT balance, balance__v_double FROM qbo.invoice ORDER BY id"
    ).fetchall()
    (total,) = connection.execute("SELECT sum(balance) FROM qbo.invoice").fetchone()
print("columns: balance", kinds["balance"] + ", balance__v_double", kinds["balance__v_double"])
print("rows:   ", rows)
print("sum(balance):", total)
assert (kinds["balance"], kinds["balance__v_double"]) == ("BIGINT", "DOUBLE"), kinds
assert rows == [(0, None), (None, 362.07), (25, None)], rows
PYTHON
