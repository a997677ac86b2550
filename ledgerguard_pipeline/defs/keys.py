"""Names that the UI, schedules and other code locations refer to; changing one orphans history."""

import dagster as dg

from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType

CODE_LOCATION = "ledgerguard"
"""As in ``workspace.yaml`` and ``pyproject.toml``; part of every run's address in the UI."""

ALL_JOB = "bronze_sync"
"""Every entity: what the command line, the first load and a click on Materialize all run."""
CHANGES_JOB = "bronze_changes"
"""The entities one change-data-capture call covers."""
QUERIED_JOB = "bronze_queried"
"""The entities change data capture leaves out; one batch call."""
RECONCILE_JOB = "quickbooks_reconcile"
"""Every entity that can be counted: compared with Intuit, repaired where it differs."""
WEBHOOK_JOB = "bronze_webhooks"
"""The objects webhook events are about; launched with exactly the entities concerned."""
JOURNAL_JOB = "quickbooks_journal"
"""The journal of one company, with its comparison."""
ATTACHMENTS_JOB = "quickbooks_attachments"
"""The attached files of one company."""
REPORTS_JOB = "quickbooks_reports"
"""Every report that Bronze keeps, of one company."""
FLEET_JOB = "fleet_sweep"
"""One run for many companies: those of one shard, one after the other in one process."""
HEALTH_JOB = "connection_health"
KEEP_ALIVE_JOB = "token_keep_alive"
MAINTENANCE_JOB = "bronze_maintenance"
SILVER_JOB = "quickbooks_silver"
"""The typed tables of one company: brought up to date where they are behind, and checked."""

FORMER_JOBS = {"reconcile": RECONCILE_JOB}
"""Names that jobs had in a release before they were prefixed; a code location of its own still
takes them."""

REALM_TAG = "ledgerguard/realm"
"""On every run of one company; ``dagster.yaml`` lets one run per value work at a time."""

COMPANY_TAG = "ledgerguard/company"
"""On every run of one company: its name, for people."""

TRIGGER_TAG = "ledgerguard/trigger"
"""What launched a run that no schedule did."""
SWEEP_TAG = "ledgerguard/sweep"
"""What a sweep does and for which shard, as ``changes/0of2``."""
LATE_TAG = "ledgerguard/late"
"""Companies for which their share of a sweep's time was too short; they get a run of their own."""
IDLE_TAG = "ledgerguard/idle"
"""On a run that found nothing new (``monitoring/idle_runs.py``)."""
FOUND_NOTHING = "found nothing new"
"""Value of that tag as a run ends."""
BATCH_TAG = "ledgerguard/webhook_batch"
"""The lease under which a run holds its webhook events."""


def asset_key(entity: EntityType | DerivedEntity) -> dg.AssetKey:
    """``qbo/bronze/<table>``, if nobody renamed it."""
    return current_site().key("bronze", entity.table)


def silver_key(entity: EntityType) -> dg.AssetKey:
    """``qbo/silver/<table>``, if nobody renamed it."""
    return current_site().key("silver", entity.table)


def journal_key() -> dg.AssetKey:
    """``qbo/ledger/journal``, if nobody renamed it."""
    return current_site().key("ledger", "journal")


def postings_key() -> dg.AssetKey:
    """``qbo/ledger/postings``, if nobody renamed it."""
    return current_site().key("ledger", "postings")


def connection_key() -> dg.AssetKey:
    """``qbo/connection``, if nobody renamed it."""
    return current_site().key("connection", "connection")


def derived_from(entity: EntityType) -> tuple[DerivedEntity, ...]:
    """The entities that are views over this one."""
    return tuple(derived for derived in DERIVED if derived.base == entity.name)
