"""Taking a company that is not connected out of the control plane.

Calls that were made stay counted: they were made in this month, whoever they were for.
"""

from __future__ import annotations

from sqlalchemy import delete

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import (
    call_counts,
    call_slots,
    companies,
    metadata,
    refresh_attempts,
    tokens,
)
from ledgerguard_pipeline.values import Environment, RealmId

_KEPT = (call_counts, call_slots, refresh_attempts, tokens)
_OF_A_COMPANY = [
    table
    for table in metadata.sorted_tables
    if {"environment", "realm_id"} <= set(table.columns.keys()) and table not in (*_KEPT, companies)
]
"""Every other table with rows of companies, those that later versions add among them."""


def forget_company(database: Database, environment: Environment, realm: RealmId) -> None:
    """Remove everything that is kept of a company besides its tokens and its counted calls.

    Raises:
        ControlUnavailable: the database gave no usable answer; nothing was removed.
    """
    with database.write(f"company:{realm}") as connection:
        # Its own row comes last: as long as that is there, the command can be given again.
        for table in (*_OF_A_COMPANY, companies):
            connection.execute(
                delete(table).where(
                    table.c.environment == environment.value, table.c.realm_id == realm
                )
            )
