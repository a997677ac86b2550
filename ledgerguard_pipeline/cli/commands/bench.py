"""``ledgerguard bench``: the measurements of ``benchmarks/``, which only a checkout has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

from ledgerguard_pipeline.errors import BadInputError

PASS_THROUGH = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The measurements read their own options, ``--help`` included."""


def bench(context: typer.Context) -> None:
    """Measure this project and its rivals against the sandbox; needs a checkout."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise BadInputError(
            "The measurements are part of a checkout of this project, not of an installed "
            "package; run `make bench` in a checkout."
        )
    command = [sys.executable, "-m", "benchmarks", *context.args]
    # A process of its own: a large parent would count into the memory of what it starts.
    done = subprocess.run(command, cwd=root, env=dict(os.environ), check=False)  # noqa: S603
    if done.returncode:
        raise typer.Exit(done.returncode)
