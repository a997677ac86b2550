"""The Dagster home of an installation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import ConfigurationError

FILES = ("dagster.yaml", "workspace.yaml")

EVENT_BATCHES = {"DAGSTER_EVENT_BATCH_SIZE": "1000"}
"""Lets Dagster store events that belong together in one transaction: the 190 that announce the
assets and checks of a run, and the windows that a first load covered. Dagster reads it from the
environment only; whoever starts processes of Dagster gives it to them."""

_NO_CAPTURE = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def dagster_home(home: Path) -> Path:
    """Where an installation's Dagster keeps runs and schedules: ``<home>/dagster``, absolute."""
    return home.absolute() / "dagster"


def prepare_dagster_home(home: Path) -> Path:
    """Make the Dagster home of an installation's ``home`` and bring its files up to date.

    The files in the project are the ones to edit. A copy is replaced in one step, so a process
    that starts at the same moment reads the old text or the new one.

    Raises:
        ConfigurationError: the home cannot be written, or the project's files are missing.
    """
    folder = dagster_home(home)
    sources = [_project_file(name) for name in FILES]
    try:
        make_private(folder)
        for source in sources:
            wanted, target = source.read_bytes(), folder / source.name
            if not target.exists() or target.read_bytes() != wanted:
                draft = folder / f".{source.name}.{os.getpid()}"
                draft.write_bytes(wanted)
                draft.replace(target)
    except OSError as error:
        raise ConfigurationError(
            f"The Dagster home {folder} cannot be prepared ({error.strerror}). Name a folder this "
            "user may write in LEDGERGUARD_HOME."
        ) from error
    return folder


@contextmanager
def dagster_instance(
    settings: Settings, *, capture_output: bool = True
) -> Iterator[dg.DagsterInstance]:
    """The instance the UI and the daemon of this installation use as well.

    Without ``capture_output`` the output of steps stays on the terminal instead of being copied
    into files for the UI: whoever draws progress there needs its terminal.
    ``DAGSTER_HOME`` is set for this process, since ``dagster.yaml`` names its storage by it, and so
    are ``EVENT_BATCHES``.
    """
    home = prepare_dagster_home(settings.ledgerguard_home)
    os.environ["DAGSTER_HOME"] = str(home)
    for name, text in EVENT_BATCHES.items():
        os.environ.setdefault(name, text)
    overrides = None if capture_output else {"compute_logs": _NO_CAPTURE}
    reference = InstanceRef.from_dir(str(home), overrides=overrides)
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield instance


def _project_file(name: str) -> Path:
    package = Path(__file__).resolve().parents[2]
    # Inside the package in a wheel, beside it in a checkout. In this order, because what stands
    # beside an installed package may be anybody's.
    for folder in (package, package.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(
        f"{name} is missing next to the package {package}; reinstall ledgerguard."
    )
