"""A run in a process forked from one that has imported its modules already.

Decision 104 in docs/decisions.md.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

IMPORTS = "ledgerguard_pipeline.defs.run_imports"
"""What the process that is forked imports, once."""
_COMMAND = ("dagster", "api", "execute_run")
_PACKAGE = Path(__file__).resolve().parents[2]


def execute(arguments: str, environment: Mapping[str, str]) -> None:
    """Do what ``dagster api execute_run`` does with these; called in the forked process.

    ``environment`` is that of whoever launches the run, as it is now.

    Raises:
        SystemExit: always, with 0 if the run succeeded.
    """
    from dagster._cli.api import execute_run_command

    os.environ.clear()
    os.environ.update(environment)
    # The daemon's own words came along; they are what a daemon's lock goes by.
    sys.argv = list(_COMMAND)
    execute_run_command.main(args=[arguments], prog_name=" ".join(_COMMAND))


def newest_source() -> int:
    """When a module of this package was last written, in nanoseconds of the epoch.

    What vanishes while it is looked at, and what editors put beside a module, does not count.
    """
    newest = 0
    for folder, _, names in os.walk(_PACKAGE):
        for name in names:
            if name.endswith(".py") and not name.startswith("."):
                with suppress(OSError):
                    newest = max(newest, Path(folder, name).stat().st_mtime_ns)
    return newest
