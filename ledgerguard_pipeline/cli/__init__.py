"""The ``ledgerguard`` command: one file per group of verbs, nothing heavy imported at start."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 bad input or configuration."""
    from ledgerguard_pipeline.cli.app import run

    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))
