#!/bin/sh
# DuckDB 1.5.5, Python client: one result is exact as tuples and as Arrow, and a float as a frame.
#
# fetchall() gives a DECIMAL(18,2) as Decimal and to_arrow_table() as decimal128. df() gives float64,
# without a warning, and loses more than a float has to: the nearest double of 99999999999999.99 is
# 99999999999999.984375, but the digits are made a double before they are divided by a hundred.
#
# Output:
#   fetchall 99999999999999.99, arrow 99999999999999.99, df 100000000000000
# In this product: BronzeStore.frame() builds frames from Decimals (ledgerguard_pipeline/bronze/read).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 pandas==2.3.3 pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

AMOUNT = Decimal("99999999999999.99")
query = f"SELECT {AMOUNT}::DECIMAL(18, 2) AS amount"
(plain,) = duckdb.sql(query).fetchone()
(arrow,) = duckdb.sql(query).to_arrow_table().column("amount").to_pylist()
amounts = duckdb.sql(query).df()["amount"]
(frame,) = amounts
assert Decimal(float(AMOUNT)) != Decimal(float(frame)), "the nearest double is given now"
print(f"fetchall {plain}, arrow {arrow}, df {Decimal(float(frame))}")
assert plain == arrow == AMOUNT, "tuples and Arrow used to be exact"
assert str(amounts.dtype) == "float64", "the behaviour changed: frames are exact now"
PYTHON
