"""What every Python of a test build does as it starts: its ``sitecustomize.py``."""

from __future__ import annotations

from pathlib import Path

RELOAD_SECONDS = 5.0
READ_OFTEN = f"""
import sys

if sys.orig_argv[1:2] and sys.orig_argv[1].endswith("dagster-daemon"):
    from dagster._daemon import controller

    controller.RELOAD_WORKSPACE_INTERVAL = {RELOAD_SECONDS}
"""
"""Dagster's daemon reads all definitions anew each minute, and grows until some 25 copies of them
have come and gone. Read twelve times as often it is at rest when its memory begins to be judged,
and in half an hour has done what it does in five."""

PLAIN_SLEEPS = """
import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
"""Sleeps without an absolute time, which libfaketime would take for one of the wall clock."""


def add(build: Path, code: str) -> None:
    """Let every Python that finds ``build`` in its path run this, too, as it starts."""
    with (build / "sitecustomize.py").open("a", encoding="utf-8") as file:
        file.write(code)
