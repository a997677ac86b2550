"""dlt: the pipeline one writes by hand for QuickBooks, merged into DuckDB.

One resource per entity type, incremental on LastUpdatedTime by ``start_value`` (with
``last_value`` inside the page loop rows are lost), primary key Id, dlt's own defaults otherwise.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dlt
import dlt.destinations.impl.duckdb.duck  # imported before the clock starts, as with others
import duckdb
import requests

order = json.load(sys.stdin)
folder = Path(order["folder"])
session = requests.Session()
session.headers.update({"Authorization": f"Bearer {order['token']}", "Accept": "application/json"})
url = f"{order['base_url']}/v3/company/{order['realm_id']}/query"


def pages(name: str, conditions: list[str], ordering: str) -> Iterator[list[dict[str, object]]]:
    """Every page of a type, in the order given."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    start = 1
    while True:
        statement = f"SELECT * FROM {name}{where}{ordering} STARTPOSITION {start} MAXRESULTS 1000"
        answer = session.get(url, params={"query": statement}, timeout=120)
        answer.raise_for_status()
        found = answer.json()["QueryResponse"]
        page = next((each for each in found.values() if isinstance(each, list)), [])
        if page:
            yield page
        if len(page) < 1000:
            return
        start += 1000


def resource(entity: dict[str, object]) -> object:
    """The resource of one entity type."""
    name = str(entity["name"])
    active = ["Active IN (true, false)"] if entity["active"] else []
    if not entity["incremental"]:
        whole = dlt.resource(pages, name=name, write_disposition="replace")
        return whole(name, active, "")

    @dlt.resource(name=name, primary_key="Id", write_disposition="merge")
    def changed(
        updated=dlt.sources.incremental(  # noqa: ANN001 - dlt injects it
            "MetaData.LastUpdatedTime", initial_value="1990-01-01T00:00:00Z"
        ),
    ) -> Iterator[list[dict[str, object]]]:
        since = f"MetaData.LastUpdatedTime >= '{updated.start_value}'"
        yield from pages(name, [*active, since], " ORDERBY MetaData.LastUpdatedTime")

    return changed()


began = time.perf_counter()
database = folder / "dlt.duckdb"
pipeline = dlt.pipeline(
    "quickbooks",
    destination=dlt.destinations.duckdb(str(database)),
    dataset_name="books",
    pipelines_dir=str(folder / "pipelines"),
)
pipeline.run([resource(entity) for entity in order["entities"]]).raise_on_failed_jobs()
seconds = time.perf_counter() - began

with duckdb.connect(str(database), read_only=True) as connection:
    tables = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'books' AND "
        "table_name NOT LIKE '%\\_\\_%' ESCAPE '\\' AND table_name NOT LIKE '\\_dlt%' ESCAPE '\\'"
    ).fetchall()
    counts = [
        connection.execute(f'SELECT count(*) FROM books."{table}"').fetchone()
        for (table,) in tables
    ]
print(json.dumps({"seconds": seconds, "rows": sum(count[0] for count in counts)}))
