"""What a company costs as a fleet grows: ``python -m benchmarks.fleet_growth --realms 60 --realms 250``.

``--against COMMIT`` measures another build in the same run, up to the ``--against-up-to`` companies:
one that grows would take hours for more. Every size has a home and a sandbox of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commits import checked_out
from benchmarks.document import write_down
from benchmarks.environments import ROOT, working_folder
from benchmarks.fleet import Pass
from benchmarks.fleet_against import cpu_of_company, passes_of
from benchmarks.options import Write
from benchmarks.process import BenchFailed

Measured = dict[int, tuple[Pass, Pass]]
"""By number of companies the bring-up and the idle pass after it."""
_ARTICLES = "companies | bring-up, CPU ms a company | s | peak MB | idle pass, CPU ms a company | s"


def measure_growth(folder: Path, sizes: Sequence[int], code: Path = ROOT) -> Measured:
    """Both passes at every size, by the build whose files are in ``code``.

    Raises:
        BenchFailed: a run failed, or did not load every company.
    """
    found: Measured = {}
    for realms in sizes:
        first, idle = passes_of(folder / str(realms), realms, 1, code)
        if first.endings != {"changed": realms}:
            raise BenchFailed(
                f"{realms} companies were to be loaded; their visits: {first.endings}"
            )
        found[realms] = first, idle
    return found


def growth_table(name: str, found: Measured) -> str:
    """A line for every size."""
    lines = [f"| {name}: {_ARTICLES} |", "| ---: |" + " ---: |" * 5]
    for realms, (first, idle) in found.items():
        lines.append(
            f"| {realms:,} | {cpu_of_company(first):,.0f} | {first.seconds:,.0f} | "
            f"{first.peak_mb:,.0f} | {cpu_of_company(idle):,.0f} | {idle.seconds:,.1f} |"
        )
    return "\n".join(lines)


def compared(now: Measured, before: Measured) -> str:
    """How much less a company costs than in the other build, and how the cost grows."""
    said = [
        f"{realms:,} companies: {cpu_of_company(old[0]) / cpu_of_company(now[realms][0]):.1f} times less "
        f"CPU for a bring-up and {cpu_of_company(old[1]) / cpu_of_company(now[realms][1]):.1f} times less "
        "for an idle pass."
        for realms, old in before.items()
    ]
    least, most = min(now), max(now)
    growth = cpu_of_company(now[most][0]) / cpu_of_company(now[least][0])
    return "\n".join(
        [
            *said,
            f"From {least:,} to {most:,} companies the CPU of a bring-up goes {growth:.2f} fold.",
        ]
    )


def fleet_growth(
    realms: Annotated[list[int], typer.Option(min=1, help="How many companies; repeatable.")],
    against: Annotated[str | None, typer.Option(help="A commit, measured in the same run.")] = None,
    against_up_to: Annotated[int, typer.Option(help="The most companies of that build.")] = 250,
    write: Write = False,
) -> None:
    """Print what a company costs by the number of companies."""
    sizes = sorted(set(realms))
    tables: list[str] = []
    try:
        with working_folder("growth") as folder:
            before: Measured = {}
            if against is not None:
                with checked_out(against, folder) as (code, name):
                    (folder / "before").mkdir()
                    smaller = [each for each in sizes if each <= against_up_to]
                    before = measure_growth(folder / "before", smaller, code)
                tables.append(growth_table(name, before))
            now = measure_growth(folder, sizes)
    except BenchFailed as error:
        sys.stderr.write(f"fleet-growth: {error}\n")
        raise typer.Exit(1) from None
    tables += [growth_table("this build", now), compared(now, before)]
    sys.stdout.write("\n\n".join(tables) + "\n")
    if write:
        arguments = " ".join(sys.argv[1:])
        write_down("growth figures", f"python -m benchmarks.fleet_growth {arguments}", tables)


if __name__ == "__main__":
    typer.run(fleet_growth)
