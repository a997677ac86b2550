#!/bin/sh
# DuckDB 1.5.5: scanning a pandas column of Decimals rounds the small ones if a large one is beside them.
#
# The type of the column is made from all its values: as many digits before the point as the largest
# needs, as many after it as the finest, at most 38 together. Where both do not fit, digits after the
# point are given up without an error. One foreign total of twenty digits rounds an exchange rate.
#
# Output:
#   alone:  0.1234567890123456789012
#   beside 12345678901234567890: 0.123456789012345679
# In this product: rows reach DuckDB as Arrow tables with declared types, never as object columns.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 pandas==2.3.3
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb
import pandas as pd

FINE, LARGE = Decimal("0.1234567890123456789012"), Decimal("12345678901234567890")


def finest(*values):
    frame = pd.DataFrame({"value": values})
    return duckdb.sql("SELECT min(value) FROM frame").fetchone()[0]


alone, beside = finest(FINE), finest(FINE, LARGE)
print("alone: ", alone)
print(f"beside {LARGE}:", beside)
assert alone == FINE, "one value alone used to be exact"
assert beside != FINE, "the behaviour changed: nothing is rounded now"
PYTHON
