#!/bin/sh
# DuckDB 1.5.5: two sums that = tells apart are the same to IN, EXCEPT, UNION, CASE and coalesce().
#
# A sum of DECIMALs is a DECIMAL(38, s), the widest there is. Where two of them with different s have to
# become one type, all digits before the point are kept for and those after it are given up: the coarser s
# wins, and the finer sum is rounded to it without an error. = and - find the difference, so a query that was
# tried by hand is right, and the reconciliation written with EXCEPT finds nothing, whatever differs by less
# than half a cent. The columns that were summed keep their digits in the same statements, being narrower.
#
# Output:
#   amounts 100.00, prices 100.0040000, difference -0.0040000
#   = False, IN True, rows left by EXCEPT 0
#   UNION ALL 100.00 100.00, coalesce() 100.00
#   rows left by EXCEPT of the columns 1
# In this product: each amount of a Silver table or view, and so each sum, has 18 digits after the point; those
# of the _narrow views have 2 or 7 and are not to be mixed with them (docs/silver.md).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

connection = duckdb.connect()
connection.execute("CREATE TABLE line (amount DECIMAL(18, 2), price DECIMAL(18, 7))")
connection.execute("INSERT INTO line VALUES (60.00, 60.0040000), (40.00, 40.0000000)")
AMOUNTS, PRICES = "(SELECT sum(amount) FROM line)", "(SELECT sum(price) FROM line)"


def ask(query):
    return [value for row in connection.execute(query).fetchall() for value in row]


amounts, prices, difference = ask(f"SELECT {AMOUNTS}, {PRICES}, {AMOUNTS} - {PRICES}")
same, listed = ask(f"SELECT {AMOUNTS} = {PRICES}, {AMOUNTS} IN {PRICES}")
left = ask(f"SELECT count(*) FROM ({AMOUNTS} EXCEPT {PRICES})")
both, (either,) = ask(f"{AMOUNTS} UNION ALL {PRICES}"), ask(f"SELECT coalesce({PRICES}, {AMOUNTS})")
columns = ask("SELECT count(*) FROM (SELECT amount FROM line EXCEPT SELECT price FROM line)")
print(f"amounts {amounts}, prices {prices}, difference {difference}")
print(f"= {same}, IN {listed}, rows left by EXCEPT {left[0]}")
print("UNION ALL", *both, end=", ")
print("coalesce()", either)
print("rows left by EXCEPT of the columns", columns[0])
assert difference == Decimal("-0.004") and same is False, "the difference used to be seen here"
assert columns == [1], "columns used to keep their digits"
assert (listed, left, either) == (True, [0], 100), "the behaviour changed: nothing is rounded now"
assert both == [100, 100], "the behaviour changed: nothing is rounded now"
PYTHON
