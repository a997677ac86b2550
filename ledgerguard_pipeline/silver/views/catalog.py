"""The views for readers, by name."""

from __future__ import annotations

from types import MappingProxyType

from ledgerguard_pipeline.silver.views.books import BS_MONTH, GL_MONTH, PL_MONTH
from ledgerguard_pipeline.silver.views.dimensions import (
    DIM_ACCOUNT,
    DIM_DATE,
    DIM_ITEM,
    DIM_PARTY,
)
from ledgerguard_pipeline.silver.views.journal_lines import JOURNAL_LINE
from ledgerguard_pipeline.silver.views.line_items import SALES_LINE, SPEND_LINE
from ledgerguard_pipeline.silver.views.open_items import AP_OPEN, AR_OPEN

READER_VIEWS = MappingProxyType(
    {
        view.name: view
        for view in (
            DIM_ACCOUNT,
            DIM_PARTY,
            DIM_ITEM,
            DIM_DATE,
            AR_OPEN,
            AP_OPEN,
            SALES_LINE,
            SPEND_LINE,
            JOURNAL_LINE,
            GL_MONTH,
            PL_MONTH,
            BS_MONTH,
        )
    }
)
