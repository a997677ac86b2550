"""QuickBooks Online books in DuckDB, byte for byte, kept current through Dagster.

``docs/library.md`` shows how the names below are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgerguard_pipeline.arguments import NaiveTimeWarning
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.dagster import QuickBooksComponent
    from ledgerguard_pipeline.errors import (
        BadInputError,
        ConfigurationError,
        IngestionError,
        LedgerGuardError,
        QBOAPIError,
        QBOAuthError,
        ReauthorizationRequired,
    )
    from ledgerguard_pipeline.ingestion.service import IngestionService
    from ledgerguard_pipeline.ingestion.service_results import (
        BatchResult,
        ConnectionTest,
        EntityFreshness,
        EntityReport,
        StatusReport,
    )
    from ledgerguard_pipeline.library import CompanySummary, LedgerGuard
    from ledgerguard_pipeline.qbo.client import QBOClient
    from ledgerguard_pipeline.qbo.oauth.company_profile import ConnectionReport
    from ledgerguard_pipeline.qbo.oauth.token_set import NewTokens, TokenSet
    from ledgerguard_pipeline.qbo.records import Records
    from ledgerguard_pipeline.storage import DuckDBStorage
    from ledgerguard_pipeline.values import Environment, Record
    from ledgerguard_pipeline.webhooks.handler import WebhookHandler
    from ledgerguard_pipeline.webhooks.outcome import WebhookResult

__all__ = [
    "BadInputError",
    "BatchResult",
    "BronzeStore",
    "CompanySummary",
    "ConfigurationError",
    "ConnectionReport",
    "ConnectionTest",
    "DuckDBStorage",
    "EntityFreshness",
    "EntityReport",
    "Environment",
    "IngestionError",
    "IngestionService",
    "LedgerGuard",
    "LedgerGuardError",
    "NaiveTimeWarning",
    "NewTokens",
    "QBOAPIError",
    "QBOAuthError",
    "QBOClient",
    "QuickBooksComponent",
    "ReauthorizationRequired",
    "Record",
    "Records",
    "StatusReport",
    "TokenSet",
    "WebhookHandler",
    "WebhookResult",
]

_HOMES = {
    "arguments": ("NaiveTimeWarning",),
    "bronze.store": ("BronzeStore",),
    "dagster": ("QuickBooksComponent",),
    "errors": (
        "BadInputError",
        "ConfigurationError",
        "IngestionError",
        "LedgerGuardError",
        "QBOAPIError",
        "QBOAuthError",
        "ReauthorizationRequired",
    ),
    "ingestion.service_results": (
        "BatchResult",
        "ConnectionTest",
        "EntityFreshness",
        "EntityReport",
        "StatusReport",
    ),
    "ingestion.service": ("IngestionService",),
    "library": ("CompanySummary", "LedgerGuard"),
    "qbo.client": ("QBOClient",),
    "qbo.oauth.company_profile": ("ConnectionReport",),
    "qbo.records": ("Records",),
    "qbo.oauth.token_set": ("NewTokens", "TokenSet"),
    "storage": ("DuckDBStorage",),
    "values": ("Environment", "Record"),
    "webhooks.outcome": ("WebhookResult",),
    "webhooks.handler": ("WebhookHandler",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public class when it is first asked for: importing the package stays cheap."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
