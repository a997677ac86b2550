"""Connects companies with the code that is found first: today's, or that of another commit.

The grants are on stdin; settings come from the environment.
"""

from __future__ import annotations

import json
import sys

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.sandbox.api.control import IssuedTokens
from ledgerguard_pipeline_tests.connect_many import connect_all


def main() -> None:
    """Connect all of them."""
    issued = [IssuedTokens(**each) for each in json.load(sys.stdin)]
    with ControlPlane.open(load_settings()) as control:
        connect_all(control, issued)


if __name__ == "__main__":
    main()
