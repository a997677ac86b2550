"""Bronze is safe before Silver begins; whoever comes next brings Silver level."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.silver.books import Books, store_at

WRITER = Path(__file__).with_name("dying_writer.py")


@pytest.mark.parametrize("point", ["after_bronze_commit", "before_silver", "before_silver_commit"])
def test_the_next_commit_makes_up_for_what_a_killed_one_left(path: Path, point: str) -> None:
    Books(store_at(path)).write("Invoice", {"1": {"TotalAmt": 1}, "9": {"TotalAmt": 9}})

    root = str(WRITER.parents[2])
    died = subprocess.run(
        [sys.executable, str(WRITER), str(path)],
        env={**os.environ, "LEDGERGUARD_CRASH_AT": point, "PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr

    after = Books(store_at(path))
    assert after.store.sql("SELECT count(*) FROM bronze.invoice").rows == [(4,)]
    assert after.rows("invoice", "id", "total_amt") == [("1", Decimal(1)), ("9", Decimal(9))]
    after.commit("Invoice", [])
    assert after.rows("invoice", "id", "total_amt") == [
        ("1", Decimal(2)),
        ("2", Decimal(3)),
        ("9", Decimal(9)),
    ]
