"""The tracked files of the project, for tests that read them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ledgerguard_pipeline"
TESTS = ROOT / "ledgerguard_pipeline_tests"

_BINARY = {".png", ".ico", ".gz", ".xz", ".whl"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files git knows or would add; in an unpacked archive, all but hidden folders and caches."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(
                part in {"__pycache__", "build", "dist"} or (part[0] == "." and part != ".ci")
                for part in path.relative_to(ROOT).parts[:-1]
            )
        ]
    return tuple(path for path in found if path.is_file() and path.suffix not in _BINARY)


@cache
def python_files(folder: Path) -> tuple[Path, ...]:
    """The product's or the tests' modules."""
    return tuple(
        path for path in tracked_files() if path.suffix == ".py" and folder in path.parents
    )


def name_of(path: Path) -> str:
    """A path as a test's id."""
    return path.relative_to(ROOT).as_posix()
