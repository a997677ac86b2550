"""Why Bronze cannot be opened, noted by whoever found out, for everybody who may not open it.

Health is judged from the control plane alone, so that an answer waits for no loader; without this
note a damaged Bronze file would be nobody's reason.
"""

from __future__ import annotations

from sqlalchemy import delete, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import bronze_trouble as trouble
from ledgerguard_pipeline.values import Environment

_TEXT_LIMIT = 2000


class BronzeTrouble:
    """The trouble of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = trouble.c.environment == environment.value

    def found(self, text: str | None) -> None:
        """Note what is wrong, without secrets, or with None that nothing is; only news is written."""
        wanted = None if text is None else text[:_TEXT_LIMIT]
        if self.read() == wanted:
            return
        with self._database.write(f"bronze_trouble:{self._environment.value}") as connection:
            connection.execute(delete(trouble).where(self._mine))
            if wanted is not None:
                now = self._database.now(connection)
                values = {"environment": self._environment.value, "reason": wanted, "since": now}
                columns = tuple(values)
                connection.execute(self._database.upsert(trouble, columns), values)

    def read(self) -> str | None:
        """The problem and what to do; None if Bronze could be opened at the last attempt."""
        with self._database.read() as connection:
            found = connection.execute(select(trouble.c.reason).where(self._mine))
            return found.scalar_one_or_none()
