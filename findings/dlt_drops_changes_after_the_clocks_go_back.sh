#!/bin/sh
# dlt 1.31.0: changes of the hour after the clocks go back are dropped, though the source sends them.
#
# dlt.sources.incremental() keeps the greatest value of a field and drops rows below it. Its documentation
# shows times as text, as JSON has them, and text is compared letter by letter, offsets and all. QuickBooks
# writes LastUpdatedTime with the offset of the day: in the night of November 1 01:45-07:00 comes half an
# hour before 01:15-08:00 and sorts after it. The later change is thrown away in each run that receives
# it, also with write_disposition="merge", until the next day's value moves on and nobody asks again.
#
# Output:
#   asked since 2026-01-01T00:00:00-08:00, sent 1
#   asked since 2026-11-01T01:45:00-07:00, sent 1 2
#   asked since 2026-11-01T01:45:00-07:00, sent 1 2 3
#   asked since 2026-11-01T09:00:00-08:00, sent 3
#   in the table: 1 3
# In this product: watermarks are instants, never text (ledgerguard_pipeline/qbo/queries).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dlt==1.31.0 duckdb==1.5.5
cd "$folder"
DLT_DATA_DIR="$folder/dlt" RUNTIME__DLTHUB_TELEMETRY=false "$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime

import dlt
import duckdb

CHANGES = {
    "1": "2026-11-01T01:45:00-07:00",
    "2": "2026-11-01T01:15:00-08:00",
    "3": "2026-11-01T09:00:00-08:00",
}


def changes(since, known):
    """Stands for Intuit: of the invoices that exist so far, those changed at this instant or later."""
    start = datetime.fromisoformat(since)
    for number in CHANGES.keys() & known:
        if datetime.fromisoformat(CHANGES[number]) >= start:
            yield {"Id": number, "MetaData": {"LastUpdatedTime": CHANGES[number]}}


@dlt.resource(primary_key="Id", write_disposition="merge")
def invoice(
    known,
    updated=dlt.sources.incremental(
        "MetaData.LastUpdatedTime", initial_value="2026-01-01T00:00:00-08:00"
    ),
):
    rows = sorted(changes(updated.start_value, known), key=lambda row: row["Id"])
    print(f"asked since {updated.start_value}, sent", *[row["Id"] for row in rows])
    yield rows


pipeline = dlt.pipeline(
    "books", destination=dlt.destinations.duckdb("books.duckdb"), dataset_name="qbo"
)
for known in ({"1"}, {"1", "2"}, {"1", "2", "3"}, {"1", "2", "3"}):
    pipeline.run(invoice(known))
with duckdb.connect("books.duckdb") as connection:
    rows = connection.execute("SELECT id FROM qbo.invoice ORDER BY id").fetchall()
loaded = [number for (number,) in rows]
print("in the table:", *loaded)
assert loaded == ["1", "3"], "the behaviour changed: the later change is loaded now"
PYTHON
