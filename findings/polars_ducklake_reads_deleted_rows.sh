#!/bin/sh
# polars-ducklake 0.2.1 with DuckLake 1.5.5 (DuckDB 1.5.5): rows that were deleted are still read.
#
# By default DuckDB notes a small deletion in the catalog (ducklake_inlined_delete_<table>) instead of
# writing a delete file. polars-ducklake reads delete files only. Its documentation names tables that have
# seen DELETE or UPDATE among what works, and says that data kept in the catalog is refused rather than
# read wrongly; it looks for rows there, not for deletions. One deleted invoice of twenty stays in the
# frame and in each sum, without an error, until somebody calls ducklake_flush_inlined_data().
#
# Output:
#   DuckDB: 19 invoices, 2030.00
#   polars: 20 invoices, 2100.00, invoice 7 is there
# In this product: a lake is read with DuckDB (docs/deploy.md, "Bronze on DuckLake").
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check polars-ducklake==0.2.1 polars==2.1.0 duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_sqlite_scanner
import polars_ducklake

connection = duckdb.connect()
for package in (duckdb_extension_ducklake, duckdb_extension_sqlite_scanner):
    extension = next(Path(next(iter(package.__path__))).rglob("*.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
connection.execute("ATTACH 'ducklake:sqlite:catalog.sqlite' AS lake (DATA_PATH 'files')")
connection.execute(
    "CREATE TABLE lake.invoice AS SELECT i AS id, (i * 10)::DECIMAL(18, 2) AS total FROM range(1, 21) AS r (i)"
)
connection.execute("DELETE FROM lake.invoice WHERE id = 7")
count, total = connection.execute("SELECT count(*), sum(total) FROM lake.invoice").fetchone()
connection.close()
frame = polars_ducklake.scan_ducklake("sqlite:///catalog.sqlite", "invoice").collect()
there = 7 in frame["id"].to_list()
print(f"DuckDB: {count} invoices, {total}")
print(f"polars: {len(frame)} invoices, {frame['total'].sum()}, invoice 7 is {'' if there else 'not '}there")
assert (count, total) == (19, Decimal("2030.00")), "DuckDB used to leave the deleted invoice out"
assert there and len(frame) == 20, "the behaviour changed: the deletion is seen now"
PYTHON
