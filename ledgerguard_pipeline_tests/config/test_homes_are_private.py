"""Whatever folder is made on the way to a home, nobody else may look into it."""

from __future__ import annotations

import stat
from pathlib import Path

from ledgerguard_pipeline.config.private_files import make_private


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_every_folder_that_was_missing_is_private(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    make_private(shared / "home" / "sandbox")
    assert [mode(shared / "home"), mode(shared / "home" / "sandbox")] == [0o700, 0o700]
    make_private(shared)
    assert mode(shared) == 0o755, "what was there is its owner's business"
