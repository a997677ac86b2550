"""Writes an invoice and dies where LEDGERGUARD_CRASH_AT says."""

from __future__ import annotations

import sys
from pathlib import Path

from ledgerguard_pipeline_tests.silver.books import Books, store_at

if __name__ == "__main__":
    books = Books(store_at(Path(sys.argv[1])))
    books.later(10)
    books.write("Invoice", {"1": {"TotalAmt": 2}, "2": {"TotalAmt": 3}})
