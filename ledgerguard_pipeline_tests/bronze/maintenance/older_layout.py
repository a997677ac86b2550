"""A store as release 0.1.0 left it: versions in two forms, signed links in clear, no later tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import duckdb

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances
from ledgerguard_pipeline.bronze.lake_catalog import CATALOG
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, load, record

QUERY_FORM = (
    '{"Id":"1","SyncToken":"0","MetaData":{},"TxnDate":"2026-03-01","CustomerRef":{"value":"2"},'
    '"Line":[],"TotalAmt":1.00}'
)
READ_FORM = QUERY_FORM.replace('"Line"', '"InvoiceLink":"x","Line"')
LINKED = '{"Id":"1","SyncToken":"0","MetaData":{},"TempDownloadUri":"https://x?Signature=%s"}'
NEW_TABLES = ("_restatements", "_set_aside", "_healing")


@contextmanager
def raw(store: BronzeStore) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that may do what the store would never do."""
    if isinstance(store.address, LakeAddress):
        connection = instances.cursor(store.address, read_only=False)
        connection.execute(f"SET search_path = '{CATALOG}.bronze'")
    else:
        connection = duckdb.connect(str(store.address))
        connection.execute("SET search_path = 'bronze.bronze'")
        connection.execute("SET TimeZone = 'UTC'")
    with closing(connection):
        yield connection


def leave_as_0_1_0_did(store: BronzeStore) -> None:
    """One invoice in two forms for two companies, one attachment with a link for each read."""
    for realm in (REALM, OTHER_REALM):
        store.commit([load(record("1", QUERY_FORM), realm=realm)])
    store.commit([load(record("1", LINKED % 1), entity="Attachable")])
    with raw(store) as bronze:
        add_copy(bronze, "invoice", QUERY_FORM, READ_FORM, "webhook", 1)
        add_copy(bronze, "invoice", QUERY_FORM, QUERY_FORM, "query", 2)
        masked = LINKED.replace("https://x?Signature=%s", "left out: a signed link")
        for number in (1, 2):
            add_copy(bronze, "attachable", masked, LINKED % number, "query", number)
        for table in NEW_TABLES:
            bronze.execute(f"DROP TABLE {table}")
        bronze.execute("UPDATE _meta SET value = '1' WHERE key = 'schema_version'")
        bronze.execute("DELETE FROM _meta WHERE key = 'first_layout'")
    # The new release opens it for the first time.
    store._laid_out = store._checked = False


def add_copy(
    bronze: duckdb.DuckDBPyConnection,
    table: str,
    like: str,
    payload: str,
    source: str,
    seconds: int,
) -> None:
    bronze.execute(
        f"INSERT INTO {table} BY NAME SELECT * REPLACE (? AS payload, sha256(?) AS payload_sha256, "
        f"? AS source, loaded_at + INTERVAL {seconds} second AS loaded_at) FROM {table} "
        "WHERE payload = ?",
        [payload, payload, source, like],
    )
