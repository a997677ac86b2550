#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5): a sum of whole cents changes when its row moves from the catalog to a file.
#
# sum() over integers gives HUGEINT, and CREATE TABLE AS keeps that type. A small insert is kept in the
# catalog and is exact there. Parquet has no such integer, so flushing (or writing without inlining) stores
# a DOUBLE and reads it back as HUGEINT: above 2^53 the last digits are others, without an error, in a
# table that nobody wrote to in between.
#
# Output:
#   in the catalog: 9007199254740993 HUGEINT
#   in a file:      9007199254740992 HUGEINT
# In this product: no column is a HUGEINT; sums in views are DECIMAL(38, n), which Parquet holds exactly.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-ducklake==1.5.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import duckdb
import duckdb_extension_ducklake

connection = duckdb.connect()
extension = next(Path(next(iter(duckdb_extension_ducklake.__path__))).rglob("*.duckdb_extension"))
connection.execute(f"LOAD '{extension}'")
connection.execute("ATTACH 'ducklake:catalog.duckdb' AS lake (DATA_PATH 'files')")
connection.execute(
    "CREATE TABLE lake.totals AS SELECT sum(cents) AS cents "
    "FROM (VALUES (9007199254740990::BIGINT), (3::BIGINT)) AS amounts (cents)"
)
read = "SELECT cents, typeof(cents) FROM lake.totals"
before = connection.execute(read).fetchone()
connection.execute("CALL ducklake_flush_inlined_data('lake')")
after = connection.execute(read).fetchone()
print("in the catalog:", *before)
print("in a file:     ", *after)
assert before == (9007199254740993, "HUGEINT"), "inlined rows are not exact any more"
assert after == (9007199254740992, "HUGEINT"), "flushed rows are exact now"
PYTHON
