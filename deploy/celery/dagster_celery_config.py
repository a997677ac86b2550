"""What a Celery worker needs to know; `dagster_celery.app` imports it from PYTHONPATH by this name.

`dagster-celery worker start -y worker.yaml` would write such a file itself at every start, with
the broker's password in it, and put a process between the supervisor and Celery that does not pass
signals on. So workers are started as `celery -A dagster_celery.app worker` (decision 43 in
docs/decisions.md).
"""

from __future__ import annotations

import os

from dagster_celery.defaults import broker_transport_options as _theirs

broker_url = os.environ["DAGSTER_CELERY_BROKER_URL"]
result_backend = os.environ["DAGSTER_CELERY_BACKEND_URL"]

# A worker takes a run only when it is free: one that waits behind a long first load in one worker
# would not be taken over by an idle one.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# A Redis whose host is gone says no goodbye: without these its answer is waited for until the
# system gives up (kombu, "Redis transport", socket_timeout).
broker_transport_options = {
    **_theirs,
    "socket_timeout": 10.0,
    "socket_connect_timeout": 10.0,
}
redis_socket_timeout = 10.0
redis_socket_connect_timeout = 10.0

# Imported before the pool forks, so that the first run of a worker is as quick as the others.
imports = (
    "ledgerguard_pipeline.definitions",
    "ledgerguard_pipeline.installation",
    "ledgerguard_pipeline.bronze.store",
    "ledgerguard_pipeline.ingestion.service",
    "ledgerguard_pipeline.ingestion.events.event_sync",
)

# Python gives little memory back; after so many runs a fresh process takes the place.
worker_max_tasks_per_child = 200

# What became of a run is in Dagster; Celery's own note of it serves run monitoring only.
result_expires = 6 * 3600

broker_connection_retry_on_startup = True
worker_hijack_root_logger = False
