"""Where ``ledgerguard up`` runs, for whoever works in its folder: other terminals and notebooks."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerguard_pipeline.control.database_file import exists

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

LOCK_FILE = "up.lock"
"""In the home; locked for as long as ``up`` or any process that it started lives."""

SANDBOX_FOLDER = "sandbox"
"""Below the home, where a real company may be in that."""


NOT_KEPT = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint_url",
    "ledgerguard_admin_token",
    "ledgerguard_alert_email_from",
    "ledgerguard_alert_email_to",
    "ledgerguard_alert_slack_url",
    "ledgerguard_alert_webhook_secret",
    "ledgerguard_alert_webhook_url",
    "ledgerguard_attachments_url",
    "ledgerguard_bronze_url",
    "ledgerguard_control_url",
    "ledgerguard_encryption_keys",
    "ledgerguard_redis_url",
    "ledgerguard_smtp_url",
    "ledgerguard_snapshot",
)
"""Settings that say where real books, keys and people are: nothing made up goes there."""


@dataclass(frozen=True, slots=True)
class Running:
    """An ``up`` that runs: its process, the port of each server, and what its commands need."""

    pid: int
    ports: Mapping[str, int]
    environment_file: Path | None = None

    @property
    def lives(self) -> bool:
        """Whether ``up`` itself is still there, and not only processes that it started."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def __str__(self) -> str:
        at = {"dagster": "Dagster", "web": "companies"}
        named = [
            f"{name} at http://localhost:{self.ports[what]}"
            for what, name in at.items()
            if what in self.ports
        ]
        return ", ".join([f"process {self.pid}", *named])


def running_in(home: Path) -> Running | None:
    """The ``up`` that runs in this home, or None."""
    try:
        with (home / LOCK_FILE).open("rb") as lock_file:
            try:
                fcntl.flock(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(lock_file.read())
    except OSError:
        pass
    return None


def sandbox_home(settings: Settings) -> Path:
    """The home of the embedded sandbox: the one named, if no real company will be in it.

    Naming the default one, as a copy of ``.env.example`` does, chooses nothing: real companies go
    there once the app's keys are filled in.
    """
    home = settings.ledgerguard_home.absolute()
    default = Path(type(settings).model_fields["ledgerguard_home"].default).absolute()
    if home != default and not settings.intuit_client_id:
        return home
    return home / SANDBOX_FOLDER


def running_sandbox(settings: Settings) -> tuple[Running, dict[str, str]] | None:
    """The ``up`` whose sandbox is meant where nothing else is configured, and its variables."""
    if settings.intuit_client_id:
        return None
    home = sandbox_home(settings)
    if home != settings.ledgerguard_home.absolute() and exists(settings):
        return None
    running = running_in(home)
    if running is None or running.environment_file is None:
        return None
    variables = _variables(running.environment_file)
    return (running, variables) if variables else None


def sandbox_settings(variables: Mapping[str, str]) -> Settings:
    """The settings of that sandbox, whatever else stands in the environment or in ``.env``.

    Raises:
        ConfigurationError: a setting is not usable.
    """
    from ledgerguard_pipeline.config.settings import Settings, load_settings

    given = {name.lower(): text for name, text in variables.items()}
    own = {name: text for name, text in given.items() if name in Settings.model_fields}
    return load_settings(**own | dict.fromkeys(NOT_KEPT))


def _read(content: bytes) -> Running | None:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        about = json.loads(content)
        file = about["environment_file"]
        return Running(
            int(about["pid"]),
            {str(what): int(port) for what, port in about["ports"].items()},
            None if file is None else Path(file),
        )
    # Between taking the lock and writing; a caller then learns at least that much.
    return Running(0, {})


def _variables(file: Path) -> dict[str, str]:
    """The assignments of an environment file as ``Embedded`` writes it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (word.partition("=") for line in lines for word in shlex.split(line))
    return {name: value for name, equals, value in pairs if equals}
