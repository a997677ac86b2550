"""QuickBooks in somebody else's Dagster project; ``docs/dagster.md`` shows how it is used."""

from __future__ import annotations

from ledgerguard_pipeline.defs.guest.component import QuickBooksComponent
from ledgerguard_pipeline.defs.guest.conditions import any_parent_updated
from ledgerguard_pipeline.defs.guest.definitions import quickbooks_definitions
from ledgerguard_pipeline.defs.guest.quickbooks_bronze import QuickBooksBronze
from ledgerguard_pipeline.defs.instance.run_queue import CompanyRunCoordinator
from ledgerguard_pipeline.defs.site import QuickBooksTable, QuickBooksTranslator

__all__ = [
    "CompanyRunCoordinator",
    "QuickBooksBronze",
    "QuickBooksComponent",
    "QuickBooksTable",
    "QuickBooksTranslator",
    "any_parent_updated",
    "quickbooks_definitions",
]
