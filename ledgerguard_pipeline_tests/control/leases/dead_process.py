"""A process that is certainly dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def dead_process() -> str:
    """The name of a process that has lived and died on this machine."""
    code = "from ledgerguard_pipeline.control.leases.process_identity import this_process; print(this_process())"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()
