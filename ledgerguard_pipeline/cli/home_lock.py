"""One ``ledgerguard up`` per home, and the settings that commands beside it take.

A file in the home marks it as taken, locked for as long as ``up`` or any process it started lives. The
kernel gives the lock back whatever ends them, so a file that was left behind keeps nobody out.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.running_up import (
    LOCK_FILE,
    running_in,
    running_sandbox,
    sandbox_settings,
)

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings


def refuse_second(home: Path) -> None:
    """Refuse to start where one runs: two would take each other's tokens and events.

    Raises:
        BadInputError: an ``up`` or a Dagster daemon works in this home.
    """
    from ledgerguard_pipeline.defs.instance.daemon_lock import daemon_of
    from ledgerguard_pipeline.defs.instance.home import dagster_home

    running = running_in(home)
    if running is not None and not running.lives:
        raise BadInputError(
            f"`ledgerguard up` of {home} was killed (process {running.pid}), and what it had started "
            "is being stopped. Start it again in half a minute."
        )
    if running is not None:
        raise BadInputError(
            f"`ledgerguard up` is already running in {home}: {running}. Stop it with Ctrl-C in its "
            "terminal, or give this one another LEDGERGUARD_HOME."
        )
    daemon = daemon_of(dagster_home(home))
    if daemon is not None:
        raise BadInputError(
            f"A Dagster daemon is already running in {dagster_home(home)}: process {daemon}. Stop it, "
            "or give this installation another LEDGERGUARD_HOME."
        )


@contextmanager
def taken(home: Path, ports: Mapping[str, int], environment_file: Path | None) -> Iterator[int]:
    """Mark this home as taken for the block; the descriptor is for processes to inherit.

    Raises:
        BadInputError: another ``up`` took it a moment ago.
    """
    handle = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse_second(home)
            raise BadInputError(f"`ledgerguard up` is already starting in {home}.") from None
        file = None if environment_file is None else str(environment_file)
        about = {"pid": os.getpid(), "ports": dict(ports), "environment_file": file}
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(about).encode())
        yield handle
    finally:
        os.close(handle)


def settings_here() -> Settings:
    """The settings of the installation that a command is about.

    Where nothing is configured and ``up`` runs its sandbox, that is the sandbox's: a second
    terminal shows what runs in the first.

    Raises:
        ConfigurationError: a variable is not usable.
    """
    from ledgerguard_pipeline.cli.output import note
    from ledgerguard_pipeline.config.settings import load_settings
    from ledgerguard_pipeline.config.unknown_variables import unknown_variables

    settings = load_settings()
    settings.require_home()
    for each in unknown_variables():
        note(str(each))
    found = running_sandbox(settings)
    if found is None:
        return settings
    running, variables = found
    os.environ.update(variables)
    note(f"The sandbox of `ledgerguard up`: {running}.")
    return sandbox_settings(variables)
