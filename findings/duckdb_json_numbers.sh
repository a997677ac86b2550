#!/bin/sh
# DuckDB 1.5.5, JSON: a number that is read as text is not the text that was written.
#
# ->> gives VARCHAR and is documented as extracting text, but a number passes through a double:
# 99999999999999.99 comes out as 99999999999999.98, 0.10 as 0.1, 1.00 as 1.0. Casting the result to
# DECIMAL keeps the wrong cent. So amounts that were stored exactly cannot be read exactly by it.
#
# Output:
#   99999999999999.99 -> 99999999999999.98
#   0.10 -> 0.1
# In this product: docs/decisions.md, 5; money is parsed from the payload's text.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

for text in ("99999999999999.99", "0.10"):
    (read, cents) = duckdb.execute(
        "SELECT document->>'TotalAmt', (document->>'TotalAmt')::DECIMAL(18, 2)"
        " FROM (SELECT ? AS document)",
        ['{"TotalAmt":' + text + "}"],
    ).fetchone()
    print(f"{text} -> {read}")
    assert read != text, "the behaviour changed: the text is kept now"
    if text.startswith("9"):
        assert cents != Decimal(text), "the behaviour changed: the cent is right now"
PYTHON
