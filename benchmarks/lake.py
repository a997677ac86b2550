"""Bronze on DuckLake under many writers: ``python -m benchmarks.lake``.

Prints a Markdown table. Eight processes commit at once, first each for a company of its own,
then all of them the same rows of one company; then one process commits large and small loads.
The catalog is the PostgreSQL of the test environment, the data a folder of this machine. With
``--against COMMIT`` the writers of that build come first, on a lake of their own. The clock runs
from when all writers have started.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from benchmarks import lake_writer
from benchmarks.commits import checked_out
from benchmarks.environments import ROOT
from benchmarks.event_queue import postgres_server
from benchmarks.lake_writer import ENTITIES, READY, URL_VARIABLE, a_load, rows
from benchmarks.process import BenchFailed
from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.config.bronze_url import parse_bronze_url
from ledgerguard_pipeline.values import Environment

_LONGEST_SECONDS = 3600.0
_PAYLOAD_BYTES = 1_400
_FIGURES = "| commits | seconds | commits/s | median ms | p99 ms | lost | twice | failed for good |"


@dataclass(frozen=True, slots=True)
class Reported:
    """What a group of writers came to."""

    commits: int
    seconds: float
    each: Sequence[float]
    written: int
    failed: Sequence[str]

    def row(self, name: str, lost: int, doubled: int) -> str:
        ordered = sorted(self.each)
        return (
            f"| {name} | {self.commits} | {self.seconds:.1f} | {self.commits / self.seconds:.1f} "
            f"| {statistics.median(ordered) * 1000:.0f} "
            f"| {ordered[int(len(ordered) * 0.99)] * 1000:.0f} | {lost} | {doubled} "
            f"| {len(self.failed)} |"
        )


def run_writers(
    url: str, realms: Sequence[str], commits: int, rows_each: int, code: Path = ROOT
) -> Reported:
    """One process of the build in ``code`` for each realm named, which may be named twice."""
    running = [
        subprocess.Popen(
            # -P: the folder of the program is no place to import from.
            [sys.executable, "-P", lake_writer.__file__, realm]
            + [str(number) for number in (commits, rows_each, _PAYLOAD_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, URL_VARIABLE: url, "PYTHONPATH": str(code)},
        )
        for realm in realms
    ]
    for each in running:
        if cast(IO[str], each.stdout).readline() != READY:
            raise BenchFailed(f"a writer of {code} ended with {each.wait()}")
    began = time.perf_counter()
    for each in running:
        asked = cast(IO[str], each.stdin)
        asked.write("go\n")
        asked.flush()
    reported = [json.loads(each.communicate(timeout=_LONGEST_SECONDS)[0]) for each in running]
    return Reported(
        commits * len(realms),
        time.perf_counter() - began,
        [second for one in reported for second in one["seconds"]],
        sum(one["written"] for one in reported),
        [text for one in reported for text in one["failed"]],
    )


def audit(url: str, expected_rows: int) -> tuple[int, int]:
    """Rows that are missing, and rows that stand there more than once."""
    store = BronzeStore(parse_bronze_url(url), Environment.SANDBOX)
    each = " UNION ALL ".join(
        f"SELECT '{name}', realm_id, id, payload_sha256 FROM bronze.{name.lower()}"
        for name in ENTITIES
    )
    [(stored, unique)] = store.sql(
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM ({each}))) FROM ({each})"
    ).rows
    return expected_rows - int(str(unique)), int(str(stored)) - int(str(unique))


def one_process(url: str) -> list[str]:
    """Seconds of single commits of several sizes."""
    store = BronzeStore(parse_bronze_url(url), Environment.SANDBOX)
    lines = []
    first = 10_000_000
    for count, times in ((20_000, 3), (200, 20), (10, 20)):
        seconds = []
        for number in range(times):
            load = a_load("9999", "Estimate", number, rows(first, count, _PAYLOAD_BYTES))
            first += count
            began = time.perf_counter()
            store.commit([load])
            seconds.append(time.perf_counter() - began)
        median = statistics.median(seconds)
        lines.append(
            f"| {count:,} rows | {times} | {median * 1000:.0f} ms | {count / median:,.0f} |"
        )
    return lines


def measure(
    folder: Path, writers: int, commits: int, rows_each: int, other: tuple[Path, str] | None = None
) -> str:
    """All tables as Markdown; ``other`` is the code of another build, and its name."""
    out = [
        f"| {writers} writers, {rows_each} rows a commit {_FIGURES}",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    realms = [str(9_000_000 + number) for number in range(writers)]
    if other is not None:
        code, name = other
        with postgres_server() as server:
            url = f"ducklake:{server};data={folder / 'other'}"
            reported = run_writers(url, realms, commits, rows_each, code)
            lost = audit(url, writers * commits * rows_each)
            out.append(reported.row(f"each its own company, {name}", *lost))
    with postgres_server() as server:
        url = f"ducklake:{server};data={folder / 'apart'}"
        reported = run_writers(url, realms, commits, rows_each)
        out.append(reported.row("each its own company", *audit(url, writers * commits * rows_each)))
        failures = list(reported.failed)
        singles = one_process(url)
        store = BronzeStore(parse_bronze_url(url), Environment.SANDBOX)
        began = time.perf_counter()
        upkeep = store.maintain()
        kept = f"Maintenance afterwards: {time.perf_counter() - began:.1f} s; {upkeep}"
    with postgres_server() as server:
        url = f"ducklake:{server};data={folder / 'same'}"
        reported = run_writers(url, ["9000001"] * writers, commits, rows_each)
        failures += reported.failed
        out.append(reported.row("all the same rows", *audit(url, commits * rows_each)))
    out += ["", "| one commit of | times | median | rows/s |", "|---|---|---|---|", *singles]
    return "\n".join([*out, "", kept, *(f"- {text}" for text in failures)])


def main() -> None:
    """Parse the options and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lake", description=__doc__)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--against", help="a commit whose build is measured, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ledgerguard-lake-") as name, ExitStack() as closing:
        folder = Path(name)
        other = options.against and closing.enter_context(checked_out(options.against, folder))
        reported = measure(folder, options.writers, options.commits, options.rows, other)
    sys.stdout.write(reported + "\n")


if __name__ == "__main__":
    main()
