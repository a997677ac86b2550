"""The storage as the ``dagster.yaml`` of version 0.1.0 names it; it lives in ``defs.instance``.

Homes and deployments keep such files of their own; without this name their Dagster could not start.
"""

from ledgerguard_pipeline.defs.instance.sqlite_storage import (
    PooledEventLogStorage,
    PooledRunStorage,
    PooledSqliteStorage,
)

__all__ = ["PooledEventLogStorage", "PooledRunStorage", "PooledSqliteStorage"]
