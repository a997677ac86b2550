"""The name of the lease that whoever syncs a company holds."""

from __future__ import annotations

from ledgerguard_pipeline.values import Environment, RealmId


def sync_lease(environment: Environment, realm: RealmId) -> str:
    """One name per company and environment."""
    return f"sync:{environment.value}:{realm}"
