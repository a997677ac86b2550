"""Imported by the process that runs are forked from: everything that runs import sooner or later.

A fork has none of the threads there were, so none are left behind: those of DuckDB belong to the
connection that it opens for itself when it is imported, and numpy's would only serve linear algebra.
The one that stays is pyarrow's allocator's, which knows forks (jemalloc's ``background_thread``).
"""
# ruff: noqa: F401

import gc
import os

from ledgerguard_pipeline.config.process_tuning import ARROW_ALLOCATOR

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault(*ARROW_ALLOCATOR)

import dagster._cli.api
import dagster._core.execution.plan.active
import dagster._core.executor.in_process
import dagster._core.instance.factory
import dagster._core.storage.local_compute_log_manager
import dagster._core.storage.root
import dagster._core.workspace.autodiscovery
import pyarrow.dataset

import ledgerguard_pipeline.control.leases.run_heartbeats
import ledgerguard_pipeline.defs.build
import ledgerguard_pipeline.defs.instance.config_types
import ledgerguard_pipeline.defs.instance.run_queue
import ledgerguard_pipeline.defs.instance.sqlite_storage
import ledgerguard_pipeline.ingestion.company_sync.lease
import ledgerguard_pipeline.ingestion.events
import ledgerguard_pipeline.ingestion.service
import ledgerguard_pipeline.installation
import ledgerguard_pipeline.silver.apply
import ledgerguard_pipeline.silver.checks.load
import ledgerguard_pipeline.storage
from ledgerguard_pipeline.bronze.backends.kept_instance import close_default_connection
from ledgerguard_pipeline.late_imports import import_for_rows

import_for_rows()
close_default_connection()
# What is there by now is never looked at again, so that forked processes go on sharing it.
gc.collect()
gc.freeze()
