"""The rivals' environments, made on demand from their lock files under ``.bench/``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from benchmarks.process import BenchFailed, clean_environment

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
_LOCKS = Path(__file__).parent / "rivals"


@contextmanager
def working_folder(prefix: str) -> Iterator[Path]:
    """A folder beside the environments for the time of a measurement."""
    FOLDER.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=FOLDER))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def rival_python(name: str) -> str:
    """The interpreter of a rival's environment, which is made or renewed if its lock changed.

    Raises:
        BenchFailed: the packages could not be installed.
    """
    lock = _LOCKS / f"{name}.txt"
    home = FOLDER / f"venv-{name}"
    python = home / "bin" / "python"
    wanted = f"{sha256(lock.read_bytes()).hexdigest()} {home} {sys.version}"
    ready = home / ".ready"
    if ready.exists() and ready.read_text() == wanted:
        return str(python)
    sys.stderr.write(f"Setting up {name} in {home.relative_to(ROOT)} ...\n")
    shutil.rmtree(home, ignore_errors=True)
    environment = {**clean_environment(), "PIP_REQUIRE_VIRTUALENV": "0"}
    _call([sys.executable, "-m", "venv", "--without-pip", str(home)], environment)
    # pip rather than uv, since pip knows by itself where this machine gets its packages from;
    # the pip of the Python below, as .venv has none. The lock is complete: --no-deps.
    install = ["pip", "--python", str(python), "install", "-qq", "--no-deps", "--require-hashes"]
    _call([_base_python(), "-m", *install, "-r", str(lock)], environment)
    ready.write_text(wanted)
    return str(python)


def _base_python() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))


def _call(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode != 0:
        raise BenchFailed(f"{' '.join(command[:4])} failed with exit code {done.returncode}.")
