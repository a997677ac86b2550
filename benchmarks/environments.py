"""The rivals' environments, made on demand from their lock files under ``.bench/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from benchmarks.process import BenchFailed, clean_environment

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
_LOCKS = Path(__file__).parent / "rivals"


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
    environment = {**clean_environment(), "PIP_REQUIRE_VIRTUALENV": "0", **_index()}
    _call([sys.executable, "-m", "venv", "--without-pip", str(home)], environment)
    install = ["pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(lock)]
    _call([_uv(), *install], environment)
    ready.write_text(wanted)
    return str(python)


def _uv() -> str:
    """The pinned uv that ``scripts/setup`` put into this environment."""
    pinned = Path(sys.prefix) / "installer" / "bin" / "uv"
    found = str(pinned) if pinned.exists() else shutil.which("uv")
    if found is None:
        raise BenchFailed("uv is missing; `make bench` installs it, or leave rivals out.")
    return found


def _index() -> dict[str, str]:
    """Name pip's index to uv, which does not read pip's configuration."""
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    index = os.environ.get("PIP_INDEX_URL") or _pip("global") or _pip("install")
    given = {"UV_DEFAULT_INDEX": index} if index else {}
    certificates = os.environ.get("PIP_CERT")
    if certificates and not os.environ.get("SSL_CERT_FILE"):
        given["SSL_CERT_FILE"] = certificates
    return given


def _pip(section: str) -> str | None:
    base = getattr(sys, "_base_executable", sys.executable)
    asked = subprocess.run(
        [base, "-m", "pip", "config", "get", f"{section}.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or None


def _call(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode != 0:
        raise BenchFailed(f"{' '.join(command[:4])} failed with exit code {done.returncode}.")
