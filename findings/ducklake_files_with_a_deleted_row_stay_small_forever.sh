#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5): a file of which one row was deleted is never merged with others again.
#
# CHECKPOINT is documented to do all maintenance: expire snapshots, merge small files, write files with
# many deleted rows anew, delete what nobody needs. Merging leaves out each file that has deletions, and
# rewriting each one that has lost less than 95 % of its rows; so a table that is loaded in small pieces,
# of which each loses one row, stays in as many pieces whatever runs, each with a file of deletions beside
# it. And the deleted rows, which no snapshot shows any more, can be read from the files by anybody who
# may read the folder. The same table without deletions becomes one file.
#
# Output:
#   nothing deleted:        30 files, 1 after a checkpoint
#   one row of 10 deleted:  60 files, 60 after a checkpoint; deleted rows in SQL 0, in the files 30
# In this product: maintenance deletes what is left in such files and inserts it again (decision 118).
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


def files(name):
    return [str(each) for each in Path(name).rglob("*.parquet")]


def table(name, delete):
    attach = f"ATTACH 'ducklake:{name}.duckdb' AS {name} (DATA_PATH '{name}', DATA_INLINING_ROW_LIMIT 0)"
    connection.execute(attach)
    connection.execute(f"CREATE TABLE {name}.invoice (id INTEGER, total DECIMAL(18, 2))")
    for first in range(0, 300, 10):
        rows = f"SELECT i, i FROM range({first}, {first + 10}) AS r (i)"
        connection.execute(f"INSERT INTO {name}.invoice {rows}")
        if delete:
            connection.execute(f"DELETE FROM {name}.invoice WHERE id = {first}")
    before = len(files(name))
    connection.execute(f"CALL {name}.set_option('expire_older_than', '0 seconds')")
    connection.execute(f"CALL {name}.set_option('delete_older_than', '0 seconds')")
    for _ in range(3):
        connection.execute(f"CHECKPOINT {name}")
    (snapshots,) = connection.execute(f"SELECT count(*) FROM ducklake_snapshots('{name}')").fetchone()
    assert snapshots == 1, snapshots
    return before, len(files(name))


whole = table("whole", delete=False)
print(f"nothing deleted:        {whole[0]} files, {whole[1]} after a checkpoint")
thinned = table("thinned", delete=True)
query = "SELECT count(*) FROM {} WHERE id % 10 = 0"
(shown,) = connection.execute(query.format("thinned.invoice")).fetchone()
data = [each for each in files("thinned") if not each.endswith("-delete.parquet")]
(there,) = connection.execute(query.format(f"read_parquet({data})")).fetchone()
print(
    f"one row of 10 deleted:  {thinned[0]} files, {thinned[1]} after a checkpoint; "
    f"deleted rows in SQL {shown}, in the files {there}"
)
assert whole == (30, 1), "the behaviour changed"
assert (*thinned, shown, there) == (60, 60, 0, 30), "the behaviour changed"
PYTHON
