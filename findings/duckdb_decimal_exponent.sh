#!/bin/sh
# DuckDB 1.5.5, Python client: a Decimal with a positive exponent arrives as another amount.
#
# Decimal("1E+2") is one hundred. Handed over as a parameter it becomes 1.00, a hundredth, without an
# error; Decimal("1.5E+3"), fifteen hundred, becomes 15.00. Python makes such values itself:
# Decimal("100").normalize(), or any JSON reader with parse_float=Decimal that meets 1E+2.
#
# Output:
#   1E+2 -> 1.00
#   1.5E+3 -> 15.00
# In this product: ledgerguard_pipeline/exact.py writes exponents out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

wrong = 0
for text in ("1E+2", "1.5E+3", "100", "1500"):
    amount = Decimal(text)
    (arrived,) = duckdb.execute("SELECT ?", [amount]).fetchone()
    print(f"{text} -> {arrived}")
    exponent = amount.as_tuple().exponent
    assert exponent > 0 or arrived == amount, "plain amounts used to arrive whole"
    wrong += exponent > 0 and arrived != amount
assert wrong, "the behaviour changed: exponents are read now"
PYTHON
