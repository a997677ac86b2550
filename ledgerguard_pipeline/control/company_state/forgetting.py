"""Taking a company that is not connected out of the control plane.

Calls that were made stay counted: they were made in this month, whoever they were for.
"""

from __future__ import annotations

from sqlalchemy import delete

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import (
    alert_signs,
    alert_told,
    capabilities,
    check_faults,
    companies,
    count_gaps,
    doubts,
    refusals,
    sync_marks,
    sync_requests,
    tie_outs,
    webhook_events,
)
from ledgerguard_pipeline.values import Environment, RealmId

_TABLES = (
    alert_signs,
    alert_told,
    capabilities,
    check_faults,
    count_gaps,
    doubts,
    refusals,
    sync_marks,
    sync_requests,
    tie_outs,
    webhook_events,
    # Last: as long as its row is there, the command can be given again.
    companies,
)


def forget_company(database: Database, environment: Environment, realm: RealmId) -> None:
    """Remove everything that is kept of a company besides its tokens and its counted calls.

    Raises:
        ControlUnavailable: the database gave no usable answer; nothing was removed.
    """
    with database.write(f"company:{realm}") as connection:
        for table in _TABLES:
            connection.execute(
                delete(table).where(
                    table.c.environment == environment.value, table.c.realm_id == realm
                )
            )
