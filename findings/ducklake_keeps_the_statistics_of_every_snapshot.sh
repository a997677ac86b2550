#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5): a connection keeps the statistics of every snapshot it has read.
#
# A question about a lake loads what is known of each column of the tables it names: minimum, maximum,
# how many are missing. DuckLake keeps that under the snapshot's number in DuckDB's object cache, some
# 250 bytes a column, also when the table did not change. After the next commit, whoever made it, all
# of it is loaded and kept again; listing the tables loads it of all of them. Nothing of it is ever read
# again, and yet CHECKPOINT leaves it, and so does DETACH, after which nobody can. It goes only when
# memory_limit is reached: a process that serves pages or writes every minute grows up to there, which
# is four fifths of the machine's memory where nobody set it, and looks like one that leaks.
#
# Output:
#   after 100 commits of one row to one of 20 tables, and a listing after each: 16 MB more are kept
#   less after CHECKPOINT: no; less after DETACH: no; less after a sort with a memory_limit of 30 MB: yes
# In this product: an instance that keeps more than 64 MB gives way to a new one (decision 101).
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
amounts = ", ".join(f"amount_{each} DECIMAL(18, 2)" for each in range(30))
for each in range(20):
    connection.execute(f"CREATE TABLE lake.t{each} (id INTEGER, {amounts})")
    connection.execute(f"INSERT INTO lake.t{each} (id, amount_0) VALUES (1, 1.50)")


def kept():
    ((size,),) = connection.execute(
        "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"
    ).fetchall()
    return size / 1e6


def listing():
    connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall()


listing()
first = kept()
for each in range(100):
    connection.execute(f"INSERT INTO lake.t0 (id, amount_0) VALUES ({each}, 2.50)")
    listing()
more = kept() - first
print(
    "after 100 commits of one row to one of 20 tables, and a listing after each: "
    f"{more:.0f} MB more are kept"
)
freed = []
for statement in (
    "CHECKPOINT lake",
    "DETACH lake",
    "SET memory_limit = '30MB'; SET threads = 1; "
    "SELECT count(*) FROM (SELECT repeat('a', 100) AS text FROM range(200_000) ORDER BY text)",
):
    before = kept()
    connection.execute(statement).fetchall()
    freed.append(kept() < before / 2)
named = ("CHECKPOINT", "DETACH", "a sort with a memory_limit of 30 MB")
print("; ".join(f"less after {what}: {'yes' if is_less else 'no'}" for what, is_less in zip(named, freed)))
assert more > 5 and freed == [False, False, True], "the behaviour changed"
PYTHON
