"""What a PostgreSQL that keeps the control plane must be set to, and which settings are wrong."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from ledgerguard_pipeline.control.storage.database import Database

CLOCKS_APART_SECONDS = 30.0
"""More than this apart and an hour's token is noticeably refreshed late or early."""

_OLDEST = 120_000


def durability(database: Database) -> list[str]:
    """What may lose or delay something, a sentence each with the remedy; empty where nothing may.

    Raises:
        ControlUnavailable: the server gave no usable answer.
    """
    with database.read() as connection:
        settings = {
            name: str(connection.execute(text(f"SHOW {name}")).scalar_one())
            for name in ("fsync", "full_page_writes", "server_version", "server_version_num")
        }
        replica = bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    apart = (theirs - datetime.now(UTC)).total_seconds()
    found = []
    if replica:
        found.append(
            "PostgreSQL is a read-only replica here. Point LEDGERGUARD_CONTROL_URL at the primary."
        )
    found.extend(
        f"PostgreSQL runs with {name} off: a power cut may lose or damage stored tokens. "
        f"Set `{name} = on`."
        for name in ("fsync", "full_page_writes")
        if settings[name] == "off"
    )
    if int(settings["server_version_num"]) < _OLDEST:
        found.append(
            f"PostgreSQL {settings['server_version']} is older than 12, the oldest release whose "
            "features are used here. Upgrade it."
        )
    if abs(apart) > CLOCKS_APART_SECONDS:
        found.append(
            f"The clock of PostgreSQL is {apart:+.0f} s off this machine's. Let both follow one "
            "time server: the ends of tokens and leases are measured by it."
        )
    return found
