"""What release 0.1.0 left in Bronze: doubled versions, stubs and signed links, written by hand."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from ledgerguard_pipeline.installation import Installation

STUB = '{"domain":"QBO","status":"Voided","Id":"%s","MetaData":{"LastUpdatedTime":"%s"}}'
LINK = "https://files.example.com/a?Expires=1&Signature=0123456789abcdef"


def age(installation: Installation) -> None:
    """Make the file one of layout 1: no tables of healing."""
    with _open(installation) as bronze:
        for table in ("_restatements", "_set_aside", "_healing"):
            bronze.execute(f"DROP TABLE bronze.{table}")
        bronze.execute("UPDATE bronze._meta SET value = '1' WHERE key = 'schema_version'")
        bronze.execute("DELETE FROM bronze._meta WHERE key = 'first_layout'")
    # The new release opens it for the first time.
    installation.bronze._healed.clear()


def double(installation: Installation, table: str, id: str, member: str) -> None:
    """Append the newest row once more, as a single read showed it."""
    _append(
        installation,
        table,
        id,
        f"regexp_replace(payload, '}}$', ',{member}}}')",
        source="webhook",
    )


def stub(installation: Installation, table: str, id: str) -> None:
    """Append a stub of change data capture on top of an object, a minute younger."""
    with _open(installation) as bronze:
        row = bronze.execute(
            f"SELECT max(last_updated_at) FROM bronze.{table} WHERE id = ?", [id]
        ).fetchone()
    assert row is not None
    later = row[0] + timedelta(minutes=1)
    payload = STUB % (id, later.isoformat())
    _append(
        installation,
        table,
        id,
        f"'{payload}'",
        source="cdc",
        more=f"NULL AS sync_token, TIMESTAMPTZ '{later.isoformat()}' AS last_updated_at",
    )


def link(installation: Installation, table: str, id: str, times: int) -> None:
    """Let an attachment have one row for each time it was read, each with another link."""
    for number in range(times):
        _append(
            installation,
            table,
            id,
            f"replace(payload, 'left out: a signed link', '{LINK}{number}')",
            source="query",
        )
    with _open(installation) as bronze:
        bronze.execute(
            f"UPDATE bronze.{table} SET payload = replace(payload, "
            f"'left out: a signed link', '{LINK}'), payload_sha256 = sha256(replace(payload, "
            f"'left out: a signed link', '{LINK}')) WHERE id = ?",
            [id],
        )


def _append(
    installation: Installation,
    table: str,
    id: str,
    payload: str,
    *,
    source: str,
    more: str = "sync_token, last_updated_at",
) -> None:
    with _open(installation) as bronze:
        bronze.execute(
            f"INSERT INTO bronze.{table} BY NAME SELECT * EXCLUDE (sync_token, "
            "last_updated_at, payload, payload_sha256, source, loaded_at), "
            f"{more}, {payload} AS payload, sha256({payload}) AS payload_sha256, "
            f"'{source}' AS source, loaded_at + INTERVAL 1 second AS loaded_at "
            f"FROM bronze.{table} WHERE id = ? ORDER BY loaded_at DESC LIMIT 1",
            [id],
        )


def _open(installation: Installation) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(installation.settings.bronze_path))
    connection.execute("SET TimeZone = 'UTC'")
    return connection
