"""``python -m ledgerguard_pipeline.cli``: the same as ``ledgerguard``."""

from __future__ import annotations

from ledgerguard_pipeline.cli import main

if __name__ == "__main__":
    main()
