"""Addresses in Dagster's own pages, which show runs, assets and logs."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.config.settings import Settings

DEFAULT_URL = "http://localhost:3000"
"""Where ``ledgerguard up`` serves it."""

_REALM_TAG = "ledgerguard/realm"
"""On every run of one company; ``defs.keys`` sets it (a test holds the two together)."""


class DagsterLinks:
    """Links for whoever looks at a page under ``host``."""

    def __init__(self, base: str) -> None:
        self._base = base

    @classmethod
    def seen_from(cls, settings: Settings, host: str | None) -> DagsterLinks | None:
        """None where nobody said how Dagster is reached from there."""
        if settings.ledgerguard_dagster_url is not None:
            return cls(settings.ledgerguard_dagster_url)
        return cls(DEFAULT_URL) if is_loopback(host) else None

    @property
    def assets(self) -> str:
        """Every entity type as an asset."""
        return f"{self._base}/assets"

    @property
    def all_runs(self) -> str:
        """Runs of all companies."""
        return f"{self._base}/runs"

    def runs(self, realm: str) -> str:
        """Runs of one company."""
        return f"{self._base}/runs?{urlencode({'q[0]': f'tag:{_REALM_TAG}={realm}'})}"

    def asset(self, table: str) -> str:
        """One entity type: its materializations and checks."""
        return f"{self._base}/assets/qbo/bronze/{quote(table, safe='')}"
