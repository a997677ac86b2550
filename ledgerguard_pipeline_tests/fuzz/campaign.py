"""A long campaign: ``python -m ledgerguard_pipeline_tests.fuzz.campaign --minutes 30 [TARGET...]``.

Rounds of fresh inputs for one target after the other until the time is over. The first input that
breaks a promise is made as small as possible, added to the corpus, where the suite meets it again,
and reported with its traceback; exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings

from ledgerguard_pipeline_tests.fuzz.corpus import remember
from ledgerguard_pipeline_tests.fuzz.mutation import inputs
from ledgerguard_pipeline_tests.fuzz.targets import TARGETS

_ROUND = 500


def broken_by(target: str, *, examples: int, number: int) -> tuple[bytes, Exception] | None:
    """The smallest input of one round that breaks a promise, with the error; None if none does."""
    last: list[tuple[bytes, Exception]] = []

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def keeps_its_promise(data: bytes) -> None:
        try:
            TARGETS[target].check(data)
        except Exception as error:
            last.append((data, error))
            raise

    try:
        keeps_its_promise()
    except Exception:  # the last one that was tried is the smallest one that fails
        if not last:
            raise
        return min(last, key=lambda each: len(each[0]))
    return None


def main(arguments: Sequence[str]) -> int:
    """Run until the time is over or a promise is broken."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = parser.parse_args(arguments)
    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    until, number, tried = time.monotonic() + given.minutes * 60, given.seed, 0
    while time.monotonic() < until:
        for target in given.targets or TARGETS:
            found = broken_by(target, examples=_ROUND, number=number)
            if found is not None:
                return _report(target, number, *found)
            tried += _ROUND
        number += 1
    say = f"{tried:,} inputs, seeds {given.seed} to {number - 1}: every promise was kept."
    sys.stdout.write(f"{say}\n")
    return 0


def _report(target: str, number: int, data: bytes, error: Exception) -> int:
    remember(target, f"found with seed {number}: {type(error).__name__}", data)
    traceback.print_exception(error)
    sys.stdout.write(
        f"{target} breaks its promise for {data[:300]!r} ({len(data)} bytes, seed {number}). The input "
        "is in the corpus now; say there what it showed.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
