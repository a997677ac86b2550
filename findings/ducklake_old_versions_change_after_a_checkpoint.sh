#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5): after a CHECKPOINT an old version of a table shows other amounts.
#
# A version is a snapshot: AT (VERSION => n) is documented to show the table as it was. CHECKPOINT, and
# ducklake_rewrite_data_files() alone, writes files with many deleted rows anew and takes the table's
# minima and maxima from the rows that are left. The optimizer trusts them for older versions too, whose
# rows lie outside: a filter finds nothing, and a sort returns other integers (it packs each one as its
# distance from the minimum, in as many bytes as the range needs). Nothing fails and a sum over all rows
# is right, so last year's closing, read again after this year's clean-up, may or may not be itself. The
# filters have been reported to DuckLake.
#
# Output:
#   before: 8200.00 in all, 550.00 up to 100, the smallest ones in cents 1000, 2000
#   after:  8200.00 in all, None up to 100, the smallest ones in cents 40168, 40144
# In this product: upkeep calls neither; rows that are left in such a file are deleted and inserted again, which
# narrows nothing, and history is kept as rows (Bronze appends each version of a record), not as versions of a table.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-ducklake==1.5.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_ducklake

connection = duckdb.connect()
extension = next(Path(next(iter(duckdb_extension_ducklake.__path__))).rglob("*.duckdb_extension"))
connection.execute(f"LOAD '{extension}'")
connection.execute("ATTACH 'ducklake:catalog.duckdb' AS lake (DATA_PATH 'files')")
connection.execute("CREATE TABLE lake.invoice (id INTEGER, total DECIMAL(18, 2), cents BIGINT)")
connection.execute("INSERT INTO lake.invoice SELECT i, i * 10, i * 1000 FROM range(1, 41) AS r (i)")
(version,) = connection.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchone()
old = f"lake.invoice AT (VERSION => {version})"


def seen(when):
    (in_all,) = connection.execute(f"SELECT sum(total) FROM {old}").fetchone()
    (small,) = connection.execute(f"SELECT sum(total) FROM {old} WHERE total <= 100").fetchone()
    rows = connection.execute(f"SELECT cents FROM {old} ORDER BY total LIMIT 2").fetchall()
    cents = [each for (each,) in rows]
    print(f"{when} {in_all} in all, {small} up to 100, the smallest ones in cents {cents[0]}, {cents[1]}")
    return in_all, small, cents


before = seen("before:")
connection.execute("DELETE FROM lake.invoice WHERE id < 40")
connection.execute("CHECKPOINT lake")
after = seen("after: ")
assert before == (Decimal("8200.00"), Decimal("550.00"), [1000, 2000]), "the version was right before"
assert after == (Decimal("8200.00"), None, [40168, 40144]), "the behaviour changed"
PYTHON
