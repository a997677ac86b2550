"""Writes an invoice and dies where LEDGERGUARD_CRASH_AT says; into a file, or a lake given by its URL."""

from __future__ import annotations

import sys
from pathlib import Path

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import lake_address
from ledgerguard_pipeline_tests.silver.books import Books, store_at

if __name__ == "__main__":
    where = sys.argv[1]
    store = (
        BronzeStore(lake_address(where), Environment.SANDBOX, follower=SilverFollower())
        if where.startswith("ducklake:")
        else store_at(Path(where))
    )
    books = Books(store)
    books.later(10)
    books.write("Invoice", {"1": {"TotalAmt": 2}, "2": {"TotalAmt": 3}})
