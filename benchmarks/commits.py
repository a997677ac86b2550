"""Another commit of this project, to measure it beside the build that is here."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.process import BenchFailed


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a commit below ``folder``, and its short name.

    Raises:
        BenchFailed: there is no such commit.
    """
    code = folder / "code"
    code.mkdir()
    name = _git("rev-parse", "--short", f"{commit}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(_git("archive", name))) as files:
        files.extractall(code, filter="data")
    yield code, name


def _git(*words: str) -> bytes:
    command = ["git", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchFailed(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
