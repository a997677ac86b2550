"""``python -m ledgerguard_pipeline_tests.soak``, which ``make soak`` starts."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.document import write_down
from ledgerguard_pipeline_tests.soak.guarantees import Guarantee
from ledgerguard_pipeline_tests.soak.run import soak


def main() -> int:
    """Exit code 0 if every promise held, 1 if one broke."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="2, 30 or 480, or any other")
    parser.add_argument(
        "--in-minutes", type=float, help="real ones: the wall clock leaps over the others"
    )
    parser.add_argument("--seconds", type=float, help="instead of minutes, for less than two")
    parser.add_argument("--seed", type=int, help="repeats a soak; drawn anew by default")
    parser.add_argument("--stack", choices=("embedded", "celery"), default="embedded")
    parser.add_argument(
        "--without",
        type=Guarantee,
        choices=list(Guarantee),
        action="append",
        default=[],
        help="switch a guarantee off; may be repeated",
    )
    parser.add_argument("--only", default="", metavar="ACTIONS", help="leave other actions out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there as JSON")
    parser.add_argument(
        "--write", action="store_true", help="put the figures into docs/soak.md if all held"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave everything there")
    parser.add_argument("--quiet", action="store_true", help="do not say what happens meanwhile")
    given = parser.parse_args()
    if given.in_minutes is not None and given.stack == "celery":
        parser.error("PostgreSQL and Redis have clocks of their own, which cannot leap")
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    folder = given.keep or Path(tempfile.mkdtemp(prefix="lgsoak"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        found = soak(
            folder.resolve(),
            minutes=given.minutes if given.seconds is None else given.seconds / 60,
            seed=seed,
            in_minutes=given.in_minutes,
            on_celery=given.stack == "celery",
            without=given.without,
            only=[name for name in given.only.split(",") if name],
            loud=not given.quiet,
        )
    except BaseException:
        sys.stderr.write(f"The soak itself failed; its files are in {folder}\n")
        raise
    sys.stdout.write(found.text() + "\n")
    if found.held and given.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        sys.stdout.write(f"Its files are in {folder}\n")
    if given.json is not None:
        given.json.write_text(found.to_json() + "\n", encoding="utf-8")
    if given.write and found.held:
        part = found.stack if found.in_minutes is None else "simulated"
        write_down(f"{part} figures", found.command(), [found.table()], "soak.md")
    return 0 if found.held else 1


if __name__ == "__main__":
    sys.exit(main())
