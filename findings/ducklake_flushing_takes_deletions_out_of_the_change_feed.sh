#!/bin/sh
# DuckLake 1.5.5 (DuckDB 1.5.5): flushing changes what the change feed says of snapshots long past.
#
# ducklake_table_changes() tells what became of each row, to whoever carries changes to another system. Small
# changes are kept in the catalog and are told rightly from there, until they are flushed to a file, which a
# CHECKPOINT does too. Then all later ends of a row's versions are told at its first update: an invoice that was
# changed and deleted has no deletion any more, one that was changed twice ends with an insert beside its
# update. The table and all its older versions stay right, and rows updated once are told rightly.
#
# Output:
#   invoice 1 before: insert 100.00, preimage 100.00, postimage 200.00, delete 200.00
#   invoice 1 after:  insert 100.00, preimage 100.00, preimage 200.00, postimage 200.00, postimage 200.00
#   invoice 2 before: insert 100.00, preimage 100.00, postimage 200.00, preimage 200.00, postimage 300.00
#   invoice 2 after:  insert 100.00, preimage 100.00, preimage 200.00, postimage 200.00, postimage 200.00, insert 300.00
#   the table before and after: invoice 2 300.00
# In this product: nothing follows that feed. Bronze has each version of a record as a row of its own, and rows
# of Silver's tables are replaced by DELETE and INSERT, which are told rightly after a flush too.
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
connection.execute("CREATE TABLE lake.invoice (id INTEGER, total DECIMAL(18, 2))")
connection.execute("INSERT INTO lake.invoice VALUES (1, 100), (2, 100)")
connection.execute("UPDATE lake.invoice SET total = 200")
connection.execute("DELETE FROM lake.invoice WHERE id = 1")
connection.execute("UPDATE lake.invoice SET total = 300")
(last,) = connection.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchone()


def told(invoice):
    """What the feed says of an invoice up to the snapshot that was the last one before the flush."""
    rows = connection.execute(
        f"SELECT change_type, total FROM ducklake_table_changes('lake', 'main', 'invoice', 0, {last}) "
        "WHERE id = ? ORDER BY snapshot_id, change_type DESC, total", [invoice]).fetchall()
    return ", ".join(f"{kind.removeprefix('update_')} {total}" for kind, total in rows)


def rows():
    return connection.execute("SELECT id, total FROM lake.invoice").fetchall()


told_before, rows_before = {invoice: told(invoice) for invoice in (1, 2)}, rows()
connection.execute("CALL ducklake_flush_inlined_data('lake')")
told_after, rows_after = {invoice: told(invoice) for invoice in (1, 2)}, rows()
for invoice in (1, 2):
    print(f"invoice {invoice} before: {told_before[invoice]}")
    print(f"invoice {invoice} after:  {told_after[invoice]}")
print("the table before and after:", *[f"invoice {number} {total}" for number, total in rows_before])
assert rows_before == rows_after == [(2, 300)], "the table used to be right"
assert told_before[1].endswith("delete 200.00"), "the feed used to be right before"
assert told_before[2].endswith("preimage 200.00, postimage 300.00"), "the feed used to be right before"
assert "delete" not in told_after[1], "the behaviour changed: the deletion is told now"
assert told_after[2].endswith("insert 300.00"), "the behaviour changed: the second update is told now"
PYTHON
