"""QuickBooks Online books in DuckDB, byte for byte, kept current through Dagster."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgerguard_pipeline.errors import IngestionError, QBOAPIError, QBOAuthError
    from ledgerguard_pipeline.ingestion.service import IngestionService
    from ledgerguard_pipeline.qbo.client import QBOClient
    from ledgerguard_pipeline.webhooks.handler import WebhookHandler

__all__ = [
    "IngestionError",
    "IngestionService",
    "QBOAPIError",
    "QBOAuthError",
    "QBOClient",
    "WebhookHandler",
]

_HOMES = {
    "IngestionError": "ledgerguard_pipeline.errors",
    "IngestionService": "ledgerguard_pipeline.ingestion.service",
    "QBOAPIError": "ledgerguard_pipeline.errors",
    "QBOAuthError": "ledgerguard_pipeline.errors",
    "QBOClient": "ledgerguard_pipeline.qbo.client",
    "WebhookHandler": "ledgerguard_pipeline.webhooks.handler",
}


def __getattr__(name: str) -> object:
    """Import a public class when it is first asked for: importing the package stays cheap."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
