"""The columns of a Bronze table as the asset catalogue shows them."""

import dagster as dg

_COLUMNS = (
    ("realm_id", "VARCHAR", "Company the object belongs to.", False),
    ("id", "VARCHAR", "Intuit's id; unique within a company and entity type only.", False),
    ("sync_token", "VARCHAR", "Intuit's version counter, as sent.", True),
    ("state", "VARCHAR", "active, inactive, voided, deleted or merged.", False),
    ("merged_into", "VARCHAR", "The survivor's id after a merge.", True),
    ("created_at", "TIMESTAMPTZ", "MetaData.CreateTime.", True),
    ("last_updated_at", "TIMESTAMPTZ", "MetaData.LastUpdatedTime; decides which is newer.", True),
    ("payload", "VARCHAR", "The object byte for byte as Intuit sent it.", True),
    ("payload_sha256", "VARCHAR", "SHA-256 of those bytes.", True),
    ("source", "VARCHAR", "query, cdc, webhook, read or reconcile.", False),
    ("event_id", "VARCHAR", "Webhook event that brought it.", True),
    ("request_id", "VARCHAR", "intuit_tid of the answer that brought it.", True),
    ("run_id", "VARCHAR", "Dagster run that loaded it.", True),
    ("load_id", "VARCHAR", "Load in bronze._loads.", False),
    ("fetched_at", "TIMESTAMPTZ", "When it was read from Intuit.", False),
    ("loaded_at", "TIMESTAMPTZ", "When it was committed.", False),
)

BRONZE_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn(
            name=name,
            type=kind,
            description=description,
            constraints=dg.TableColumnConstraints(nullable=nullable),
        )
        for name, kind, description, nullable in _COLUMNS
    ]
)
