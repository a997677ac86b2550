"""The check of ``ledgerguard doctor`` on the control plane, which it does not change.

Opening the control plane would bring an older schema up to date, so its revision is read first.
"""

from __future__ import annotations

from ledgerguard_pipeline.cli.doctor.finding import (
    CheckResult,
    CheckState,
    advice,
    broken,
    good,
    misconfigured,
)
from ledgerguard_pipeline.cli.installed import installed
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import LedgerGuardError

CONTROL = "control plane"
_SEE = "See the message; nothing was changed."


def control_plane(settings: Settings) -> CheckResult:
    """It can be reached, and its schema is the one this version works with."""
    if not installed(settings):
        return good(CONTROL, "does not exist yet; the first connection creates it.")
    from ledgerguard_pipeline.control.plane import control_url
    from ledgerguard_pipeline.control.storage.database import Database
    from ledgerguard_pipeline.control.storage.migrate import stored_revision
    from ledgerguard_pipeline.control.storage.schema import REVISION

    try:
        database = Database(control_url(settings))
        try:
            database.reach()
            with database.read() as connection:
                stored = stored_revision(connection)
        finally:
            database.close()
    except LedgerGuardError as error:
        state = misconfigured if error.exit_code == 2 else broken
        return state(CONTROL, error.message, _SEE)
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    if stored == REVISION:
        return good(CONTROL, f"{kind}, schema {REVISION}")
    if stored is None:
        return advice(CONTROL, f"{kind}, still empty.", "The first start creates its tables.")
    if stored.isdecimal() and int(stored) < int(REVISION):
        return advice(
            CONTROL,
            f"{kind}, schema {stored}; this version works with {REVISION}.",
            "Back it up; the next start of any service brings it up to date.",
        )
    return misconfigured(
        CONTROL,
        f"{kind}, schema {stored[:40]!r}, written by a newer version.",
        "Install that version, or use another LEDGERGUARD_HOME.",
    )


def is_current(finding: CheckResult) -> bool:
    """Whether the control plane may be opened without changing it."""
    return finding.state is CheckState.GOOD
