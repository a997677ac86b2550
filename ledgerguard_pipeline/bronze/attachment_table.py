"""``bronze._attachments``: one row for each file that was downloaded, and where it is."""

from __future__ import annotations

NAME = "_attachments"

COLUMNS: dict[str, str] = {
    "realm_id": "VARCHAR",
    "id": "VARCHAR",
    "sync_token": "VARCHAR",
    "file_name": "VARCHAR",
    "content_type": "VARCHAR",
    "stated_size": "BIGINT",
    "size": "BIGINT",
    "sha256": "VARCHAR",
    "path": "VARCHAR",
    "run_id": "VARCHAR",
    "fetched_at": "TIMESTAMPTZ",
    "loaded_at": "TIMESTAMPTZ",
}
"""``id`` is the Attachable's, ``path`` is within the folder or bucket, ``sha256`` is of the file's bytes;
``stated_size`` is what QuickBooks says, ``size`` what came."""

DEFINITION = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
LISTED = (
    f"SELECT {', '.join(COLUMNS)} FROM {NAME} WHERE realm_id = ? "
    "QUALIFY row_number() OVER (PARTITION BY id ORDER BY loaded_at DESC) = 1 ORDER BY id"
)
CURRENT = "SELECT id, sync_token, payload FROM attachable_current WHERE realm_id = ? ORDER BY id"
FIND = (
    f"SELECT count(*) FROM {NAME} WHERE realm_id = ? AND id IN (SELECT unnest(?)) AND loaded_at = ?"
)
