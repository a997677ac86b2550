"""The check of ``ledgerguard doctor`` on Dagster: is its daemon alive, is anything switched off."""

from __future__ import annotations

import os
from pathlib import Path

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.config.settings import Settings


def dagster(settings: Settings) -> list[CheckResult]:
    """Whether the daemon is alive, and which of its schedules and sensors are switched off."""
    topic, folder = "Dagster daemon", _dagster_home(settings)
    start = "Run `ledgerguard up`, or `dagster-daemon run` as a service."
    if folder is None:
        return [good(topic, "has not run yet; `ledgerguard up` starts it.")]
    from ledgerguard_pipeline.defs.instance.daemon_status import read_daemon_status

    try:
        seen = read_daemon_status(folder)
    except Exception as error:  # noqa: BLE001  # whatever Dagster raises must not end the doctor
        return [
            broken(
                topic, f"{folder} cannot be read ({type(error).__name__}).",
                "Check that its database is reachable and of this version: `dagster instance info`.",
            )
        ]  # fmt: skip
    now = SYSTEM_CLOCK.now()
    if seen.heartbeat_at is None:
        found = [advice(topic, "has never run: nothing is synced by schedule.", start)]
    elif not seen.daemon_runs(now):
        text = f"last reported at {seen.heartbeat_at:%Y-%m-%d %H:%M} UTC: nothing is synced."
        found = [advice(topic, text, start)]
    else:
        found = [good(topic, "runs.")]
    if seen.stopped:
        found.append(
            advice(
                "schedules and sensors",
                f"switched off in Dagster: {', '.join(seen.stopped)}.",
                "Switch them on in Dagster under Automation, unless that is what you want.",
            )
        )
    else:
        found.append(good("schedules and sensors", "none is switched off."))
    return found


def _dagster_home(settings: Settings) -> Path | None:
    """The Dagster home in use, if it was ever used: opening another would fill it with files."""
    own = settings.ledgerguard_home.absolute() / "dagster"
    named = os.environ.get("DAGSTER_HOME")
    for folder in (Path(named), own) if named else (own,):
        file = folder / "dagster.yaml"
        if file.is_file() and ((folder / "schedules").exists() or _elsewhere(file)):
            return folder
    return None


def _elsewhere(file: Path) -> bool:
    """Whether runs are kept in a database server, so that looking creates no file."""
    return "postgres" in file.read_text(encoding="utf-8")
