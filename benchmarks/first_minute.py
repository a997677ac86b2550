"""From ``pip install`` of the wheel to a finished demo: ``python -m benchmarks.first_minute``.

What somebody does who tries the product: a fresh environment in an empty folder, ``pip install`` of
the wheel, ``ledgerguard demo``. Packages come from pip's cache; the first round, which fills it, is
not counted. With ``--wheels`` they come from a folder of wheels made beforehand, so that no package
index plays a part; with ``--uv`` uv installs; ``--floor`` adds the install of the six packages alone
that any such project needs. CPU seconds stand beside the time, for machines that do other work
meanwhile.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import ROOT
from benchmarks.process import BenchFailed, clean_environment

_UV = str(ROOT / ".venv" / "installer" / "bin" / "uv")
_FLOOR = [
    *("dagster==1.13.27", "dagster-webserver==1.13.27", "dagster-duckdb==0.29.27"),
    *("requests-oauthlib", "pandas", "duckdb==1.5.5"),
]


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds by the clock and of all processors for one command with all its children."""

    name: str
    seconds: float
    cpu: float


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to measure.")] = 3,
    wheels: Annotated[
        bool, typer.Option(help="Install from a folder of wheels instead of pip's cache.")
    ] = False,
    invoices: Annotated[int | None, typer.Option(min=1, help="Size of the demo's company.")] = None,
    uv: Annotated[
        bool, typer.Option(help="Install with uv, from its cache, instead of with pip.")
    ] = False,
    floor: Annotated[
        bool, typer.Option(help="Also install the six packages alone that any such project needs.")
    ] = False,
) -> None:
    """Print each round's steps and the best of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        source = collected(folder, wheel) if wheels else []
        size = [] if invoices is None else ["--invoices", str(invoices)]
        found: list[list[Step]] = []
        for number in range(rounds if wheels else rounds + 1):
            steps = first_minute(folder / f"round-{number}", wheel, source, size, uv=uv)
            if floor:
                _show("floor", [installing(folder / "floor", _FLOOR, source, uv=uv)])
                shutil.rmtree(folder / "floor")
            if wheels or number:
                found.append(steps)
                _show(f"round {len(found)}", steps)
        _show(
            "best", [min(each, key=lambda step: step.seconds) for each in zip(*found, strict=True)]
        )


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    _run(command, cwd=ROOT)
    return next(folder.glob("*.whl"))


def collected(folder: Path, wheel: Path) -> list[str]:
    """Options of pip that take every package from wheels in a folder."""
    store = folder / "wheels"
    _run([*_pip(), "download", "-qq", "-d", str(store), str(wheel)], cwd=folder)
    return ["--no-index", "-f", str(store)]


def first_minute(
    folder: Path, wheel: Path, source: Sequence[str], size: Sequence[str], *, uv: bool = False
) -> list[Step]:
    """One round in a folder of its own, which is removed in the end."""
    installed = installing(folder, [str(wheel)], source, uv=uv)
    program = folder / "environment" / "bin" / "ledgerguard"
    steps = [installed, _timed("demo", [str(program), "demo", *size], folder)]
    shutil.rmtree(folder)
    return steps


def installing(
    folder: Path, packages: Sequence[str], source: Sequence[str], *, uv: bool = False
) -> Step:
    """Install into a new environment in a new folder, ``environment`` in it."""
    folder.mkdir()
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], cwd=folder)
    python = str(environment / "bin" / "python")
    program = [_UV, "pip", "install", "--python", python] if uv else _into(python)
    return _timed("install", [*program, "-qq", *source, *packages], folder)


def _into(python: str) -> list[str]:
    return [*_pip(), "--python", python, "install"]


def _pip() -> list[str]:
    """The pip of the Python below: environments of this project have none."""
    base = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info[:2]))
    return [str(base), "-m", "pip", "--disable-pip-version-check"]


def _timed(name: str, command: Sequence[str], folder: Path) -> Step:
    before, began = _cpu(), time.monotonic()
    _run(command, cwd=folder)
    return Step(name, time.monotonic() - began, _cpu() - before)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: Sequence[str], *, cwd: Path) -> None:
    environment = {**clean_environment(), "PIP_REQUIRE_VIRTUALENV": "0"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace")[-2000:])
        raise BenchFailed(f"{' '.join(command[:4])} ended with code {done.returncode}.")


def _show(what: str, steps: Sequence[Step]) -> None:
    total = Step("together", sum(each.seconds for each in steps), sum(each.cpu for each in steps))
    parts = [f"{each.name} {each.seconds:.1f} s ({each.cpu:.1f} CPU)" for each in (*steps, total)]
    sys.stdout.write(f"{what}: {', '.join(parts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
