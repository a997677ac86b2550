"""The Dagster home of an installation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.settings import Settings

CONFIG = "dagster.yaml"


def dagster_home(settings: Settings) -> Path:
    """Where Dagster keeps runs and schedules: ``LEDGERGUARD_HOME/dagster``, absolute."""
    return (settings.ledgerguard_home / "dagster").resolve()


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster home and bring its ``dagster.yaml`` up to date; returns the home.

    The file in the project is the one to edit. The copy is replaced in one step, so a process
    that starts at the same moment reads the old text or the new one.

    Raises:
        ConfigurationError: the home cannot be written, or the project's file is missing.
    """
    home = dagster_home(settings)
    source = _project_file()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = source.read_bytes()
        target = home / CONFIG
        if not target.exists() or target.read_bytes() != wanted:
            draft = home / f".{CONFIG}.{os.getpid()}"
            draft.write_bytes(wanted)
            draft.replace(target)
    except OSError as error:
        raise ConfigurationError(
            f"The Dagster home {home} cannot be prepared ({error.strerror}). Name a folder this "
            "user may write in LEDGERGUARD_HOME."
        ) from error
    return home


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance the UI and the daemon of this installation use as well.

    ``DAGSTER_HOME`` is set for this process, since ``dagster.yaml`` names its storage by it.
    """
    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _project_file() -> Path:
    package = Path(__file__).resolve().parents[1]
    # Beside the package in a checkout, inside it in a wheel.
    for folder in (package.parent, package):
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    raise ConfigurationError(
        f"{CONFIG} is missing beside the package {package}; install ledgerguard again."
    )
