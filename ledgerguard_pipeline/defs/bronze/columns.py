"""The columns of a Bronze table as the asset catalogue shows them."""

import dagster as dg

from ledgerguard_pipeline.bronze.statements import VERSION_COLUMNS

BRONZE_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn(name=column.name, type=column.type, description=column.meaning)
        for column in VERSION_COLUMNS
    ]
)
