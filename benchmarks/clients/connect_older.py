"""Connects companies with the code of a build before its settings had a folder, by its own means.

The grants are on stdin; settings come from the environment.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    """Connect all of them."""
    issued = importlib.import_module("ledgerguard_pipeline.sandbox.control").IssuedTokens
    settings = importlib.import_module("ledgerguard_pipeline.settings").load_settings()
    plane = importlib.import_module("ledgerguard_pipeline.control.plane").ControlPlane
    connect_all = importlib.import_module("benchmarks.connected").connect_all
    with plane.open(settings) as control:
        connect_all(control, [issued(**each) for each in json.load(sys.stdin)])


if __name__ == "__main__":
    main()
